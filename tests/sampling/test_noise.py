from typing import Any

import pytest
import torch

from modules.sampling.noise import ImageNoise
from tests.sampling.recordings import array, recorded

CPU = torch.device("cpu")
SHAPE = (4, 8, 8)


@pytest.mark.parametrize("case", recorded("noise"), ids=lambda case: f"{case['id']} {case['seeds']}")
def test_draws_are_as_recorded(case: Any) -> None:
    noise = ImageNoise(case["seeds"], tuple(case["shape"]), CPU, "CPU")
    draws = [noise.first(), *(noise.next() for _ in range(case["draws"] - 1))]
    for i, draw in enumerate(draws):
        torch.testing.assert_close(draw, array("noise", f"{case['id']}.a{i}"), rtol=0, atol=1e-6)


def test_a_picture_does_not_depend_on_its_neighbours() -> None:
    together = ImageNoise([7, 8], SHAPE, CPU, "CPU")
    alone = ImageNoise([8], SHAPE, CPU, "CPU")
    for draw in ("first", "next", "next"):
        assert getattr(together, draw)()[1:].equal(getattr(alone, draw)())


def test_ensd_seeds_later_draws_anew() -> None:
    plain, shifted = ImageNoise([5], SHAPE, CPU, "CPU"), ImageNoise([5], SHAPE, CPU, "CPU", ensd=31337)
    assert plain.first().equal(shifted.first())
    assert shifted.next().equal(ImageNoise([5 + 31337], SHAPE, CPU, "CPU").first())
    assert not plain.next().equal(shifted.next())


@pytest.mark.parametrize("seed", [-(2**63), -1, 0, 2**63 - 1, 2**63, 2**64 - 1])
def test_every_seed_that_torch_knows_is_accepted(seed: int) -> None:
    assert ImageNoise([seed], SHAPE, CPU, "CPU").first().isfinite().all()


def test_the_gpu_source_draws_on_the_device_that_computes() -> None:
    assert ImageNoise([3], SHAPE, CPU, "GPU").first().equal(ImageNoise([3], SHAPE, CPU, "CPU").first())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_both_sources_on_a_gpu() -> None:
    cuda = torch.device("cuda")
    expected = torch.randn(SHAPE, generator=torch.Generator(cuda).manual_seed(3), device=cuda)
    assert ImageNoise([3], SHAPE, cuda, "GPU").first()[0].equal(expected)
    from_cpu = ImageNoise([3], SHAPE, cuda, "CPU").first()
    assert from_cpu.is_cuda
    assert from_cpu.cpu().equal(ImageNoise([3], SHAPE, CPU, "CPU").first())
