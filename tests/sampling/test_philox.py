from typing import Any

import numpy as np
import pytest
import torch

from modules.sampling.philox import Philox, philox_4x32
from tests.sampling.recordings import array, recorded


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ([0, 0, 0, 0], 0, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, 2**64 - 1, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            0x299F31D0_A4093822,
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
    ids=["zeros", "ones", "pi"],
)
def test_words_are_those_its_authors_published(counter: list[int], key: int, words: list[int]) -> None:
    """Known answers of philox4x32 with ten rounds from the authors' library Random123 (kat_vectors)."""
    assert philox_4x32(np.array([counter], dtype=np.uint32).T, key)[:, 0].tolist() == words


def answers(case: Any) -> list[np.ndarray]:
    wanted = case["in"]
    if "offset" in wanted:
        counter = np.zeros((4, wanted["n"]), dtype=np.uint32)
        counter[0], counter[2] = wanted["offset"], np.arange(wanted["n"])
        return [philox_4x32(counter, wanted["seed"])]
    generator = Philox(wanted["seed"])
    if "shapes" in wanted:
        return [generator.randn(tuple(shape)) for shape in wanted["shapes"]]
    return [generator.randn((4,)) for _ in range(100)][-1:]


@pytest.mark.parametrize("case", recorded("philox"), ids=lambda case: case["id"])
def test_numbers_are_as_recorded(case: Any) -> None:
    got = answers(case)
    if "raises" in case["out"]:  # a seed that is too large for the web UI
        assert np.isfinite(got).all()
        return
    for number, name in zip(got, case["out"]["arrays"], strict=True):
        expected = array("philox", f"{case['id']}.{name}").numpy()
        assert (number.dtype, number.shape) == (expected.dtype, expected.shape)
        np.testing.assert_allclose(number, expected, rtol=3e-7, atol=1e-7)


@pytest.mark.parametrize("seed", [-5, -(2**63), 2**64 + 1])
def test_seeds_count_modulo_2_to_the_64(seed: int) -> None:
    assert (Philox(seed).randn((8,)) == Philox(seed % 2**64).randn((8,))).all()


def test_a_draw_counts_as_one_whatever_its_size() -> None:
    small, large = Philox(3), Philox(3)
    small.randn((1,))
    large.randn((4, 8, 8))
    assert (small.randn((5,)) == large.randn((5,))).all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_numbers_are_those_of_a_cuda_device() -> None:
    ours, theirs = Philox(1234), torch.Generator("cuda").manual_seed(1234)
    for _ in range(3):
        expected = torch.randn((4, 64, 64), generator=theirs, device="cuda").cpu()
        torch.testing.assert_close(torch.as_tensor(ours.randn((4, 64, 64))), expected, rtol=0, atol=1e-5)
