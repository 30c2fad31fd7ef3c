from typing import Any

import pytest
import torch
from torch import Tensor

from modules.sampling.brownian import BrownianPaths
from modules.sampling.noise import ImageNoise, RandnSource, Variation, slerp
from modules.sampling.samplers.base import NoiseSource
from tests.sampling.recordings import array, recorded

CPU = torch.device("cpu")
SHAPE = (4, 8, 8)
SOURCES: tuple[RandnSource, ...] = ("CPU", "NV")
SIGMAS = torch.tensor([14.6146, 6.5, 2.2, 0.6, 0.0291675, 0.0])


def image_noise(wanted: Any) -> ImageNoise:
    """Make what a recording made."""
    resized = [wanted.get(f"seed_resize_from_{side}", 0) // 8 for side in "hw"]
    subseeds = wanted.get("subseeds")
    return ImageNoise(
        [int(seed) for seed in wanted["seeds"]],
        tuple(wanted["shape"]),
        CPU,
        wanted["randn_source"],
        ensd=wanted["eta_noise_seed_delta"],
        variation=Variation(seeds=subseeds, strength=wanted["subseed_strength"]) if subseeds else None,
        resized_from=(resized[0], resized[1]) if min(resized) > 0 else None,
    )


@pytest.mark.parametrize(
    "case", [case for case in recorded("noise") if "seeds" in case["in"]], ids=lambda case: case["id"]
)
def test_draws_are_as_recorded(case: Any) -> None:
    noise = image_noise(case["in"])
    draws = [noise.first(), *(noise.next() for _ in case["out"]["arrays"][1:])]
    for draw, name in zip(draws, case["out"]["arrays"], strict=True):
        torch.testing.assert_close(draw, array("noise", f"{case['id']}.{name}"), rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    "case", [case for case in recorded("noise") if "seed" in case["in"]], ids=lambda case: case["id"]
)
def test_one_picture_is_as_recorded(case: Any) -> None:
    wanted = case["in"]
    draw = ImageNoise([wanted["seed"]], tuple(wanted["shape"]), CPU, wanted["randn_source"]).first()[0]
    if "raises" in case["out"]:  # a negative seed
        assert draw.isfinite().all()
    else:
        torch.testing.assert_close(draw, array("noise", f"{case['id']}.a0"), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "case", [case for case in recorded("noise") if "val" in case["in"]], ids=lambda case: case["id"]
)
def test_slerp_is_as_recorded(case: Any) -> None:
    low, high, expected = (array("noise", f"{case['id']}.{name}") for name in case["out"]["arrays"])
    mixed = slerp(low, high, case["in"]["val"])
    assert mixed.isfinite().all()  # where the web UI finds no angle, it gives NaN
    unique = expected.isfinite()
    torch.testing.assert_close(mixed[unique], expected[unique], rtol=0, atol=2e-6)


def test_latents_that_are_nearly_the_same_are_mixed_along_the_chord() -> None:
    low = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
    high = low + 1e-3
    assert slerp(low, high, 0.25).equal(low * 0.25 + high * 0.75)


def many(source: RandnSource, count: slice = slice(None)) -> ImageNoise:
    """Return noise for pictures of a batch, with all that may change it."""
    return ImageNoise(
        [7, 8, 9][count],
        SHAPE,
        CPU,
        source,
        ensd=31337,
        variation=Variation(seeds=[70, 80, 90][count], strength=0.3),
        resized_from=(5, 11),
    )


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("index", range(3))
def test_a_picture_does_not_depend_on_its_neighbours(source: RandnSource, index: int) -> None:
    together, alone = many(source), many(source, slice(index, index + 1))
    for draw in ("first", "next", "next"):
        assert getattr(together, draw)()[index].equal(getattr(alone, draw)()[0])
    together_run, alone_run = together.over(SIGMAS), alone.over(SIGMAS)
    for i in range(4):
        path = together_run.between(SIGMAS[i], SIGMAS[i + 1])
        assert path[index].equal(alone_run.between(SIGMAS[i], SIGMAS[i + 1])[0])


@pytest.mark.parametrize("source", SOURCES)
def test_ensd_seeds_later_draws_anew(source: RandnSource) -> None:
    plain, shifted = ImageNoise([5], SHAPE, CPU, source), ImageNoise([5], SHAPE, CPU, source, ensd=31337)
    assert plain.first().equal(shifted.first())
    assert shifted.next().equal(ImageNoise([5 + 31337], SHAPE, CPU, source).first())
    assert not plain.next().equal(shifted.next())


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("seed", [-(2**63), -1, 0, 2**63 - 1, 2**63, 2**64 - 1, 2**64 + 5])
def test_every_seed_is_accepted(seed: int, source: RandnSource) -> None:
    noise = ImageNoise([seed], SHAPE, CPU, source, ensd=31337)
    assert noise.first().isfinite().all()
    assert noise.next().isfinite().all()
    assert noise.over(SIGMAS).between(SIGMAS[0], SIGMAS[1]).isfinite().all()


def test_variation_goes_from_one_seed_to_the_other() -> None:
    own, other = ImageNoise([5], SHAPE, CPU, "CPU").first(), ImageNoise([6], SHAPE, CPU, "CPU").first()

    def varied(strength: float) -> Tensor:
        return ImageNoise([5], SHAPE, CPU, "CPU", variation=Variation(seeds=[6], strength=strength)).first()

    assert varied(0).equal(own)
    torch.testing.assert_close(varied(1), other)
    assert own.flatten() @ varied(0.3).flatten() > other.flatten() @ varied(0.3).flatten()


def test_noise_of_another_size_comes_into_the_centre() -> None:
    small = ImageNoise([5], (4, 4, 12), CPU, "CPU").first()
    noise = ImageNoise([5], SHAPE, CPU, "CPU", resized_from=(4, 12)).first()
    assert noise[:, :, 2:6].equal(small[:, :, :, 2:10])
    full = ImageNoise([5], SHAPE, CPU, "CPU")
    around = full.first()
    assert noise[:, :, :2].equal(around[:, :, :2])
    assert noise[:, :, 6:].equal(around[:, :, 6:])


def test_later_draws_do_not_depend_on_what_the_first_was_made_of() -> None:
    plain = ImageNoise([5], SHAPE, CPU, "CPU")
    changed = ImageNoise([5], SHAPE, CPU, "CPU", variation=Variation(seeds=[6], strength=0.5), resized_from=(16, 16))
    assert not plain.first().equal(changed.first())
    assert plain.next().equal(changed.next())


def test_a_run_has_paths_of_the_seeds_between_the_limits_of_its_schedule() -> None:
    noise = many("CPU")
    paths = BrownianPaths(
        [7, 8, 9],
        lambda seed: torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed)),
        low=0.0291675,
        high=14.6146,
    )
    run: NoiseSource = noise.over(SIGMAS)
    torch.testing.assert_close(
        run.between(SIGMAS[2], SIGMAS[3]), paths.between(SIGMAS[2], SIGMAS[3]), rtol=0, atol=1e-5
    )


def test_a_batch_may_follow_one_path_whose_seed_comes_from_its_last_picture() -> None:
    """As k-diffusion draws one without a seed, after A1111 has seeded torch with the last picture's."""
    noise = ImageNoise([5, 8], SHAPE, CPU, "CPU", one_path=True)
    seed = int(torch.randint(0, 2**63 - 1, (), generator=torch.Generator().manual_seed(8)).item())
    paths = BrownianPaths(
        [seed],
        lambda seed: torch.randn((2, *SHAPE), generator=torch.Generator().manual_seed(seed)),
        low=SIGMAS[-2].item(),
        high=SIGMAS[0].item(),
    )
    drawn = noise.over(SIGMAS).between(SIGMAS[2], SIGMAS[3])
    assert drawn.equal(paths.between(SIGMAS[2], SIGMAS[3])[0])


def test_paths_take_nothing_from_the_generators() -> None:
    with_paths, without = ImageNoise([5], SHAPE, CPU, "CPU"), ImageNoise([5], SHAPE, CPU, "CPU")
    run = with_paths.over(SIGMAS)
    assert with_paths.first().equal(without.first())
    run.between(SIGMAS[0], SIGMAS[1])
    assert run.next().equal(without.next())


def test_sources_differ() -> None:
    cpu, nv = (ImageNoise([5], SHAPE, CPU, source).over(SIGMAS).between(SIGMAS[0], SIGMAS[1]) for source in SOURCES)
    assert not cpu.equal(nv)


def test_the_gpu_source_draws_on_the_device_that_computes() -> None:
    assert ImageNoise([3], SHAPE, CPU, "GPU").first().equal(ImageNoise([3], SHAPE, CPU, "CPU").first())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_sources_on_a_gpu() -> None:
    cuda = torch.device("cuda")
    expected = torch.randn(SHAPE, generator=torch.Generator(cuda).manual_seed(3), device=cuda)
    assert ImageNoise([3], SHAPE, cuda, "GPU").first()[0].equal(expected)
    for source in SOURCES:
        there, here = (ImageNoise([7, 8, 9], SHAPE, device, source) for device in (cuda, CPU))
        for draw in ("first", "next"):
            moved = getattr(there, draw)()
            assert moved.is_cuda
            assert moved.cpu().equal(getattr(here, draw)())
        moved = there.over(SIGMAS).between(SIGMAS[0], SIGMAS[1])
        assert moved.is_cuda
        assert moved.cpu().equal(here.over(SIGMAS).between(SIGMAS[0], SIGMAS[1]))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_paths_on_a_gpu_are_those_of_its_generator() -> None:
    """NV imitates such a device, so that both sources give nearly the same paths."""
    cuda = torch.device("cuda")
    own, imitated = (
        ImageNoise([3], SHAPE, cuda, source).over(SIGMAS).between(SIGMAS[0], SIGMAS[1]) for source in ("GPU", "NV")
    )
    torch.testing.assert_close(own, imitated, rtol=0, atol=1e-4)
