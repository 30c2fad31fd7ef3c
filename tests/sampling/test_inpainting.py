import pytest
import torch
from torch import Tensor

from modules.sampling.inpainting import HardBlend, SoftBlend, mixed_vectors

GENERATOR = torch.Generator().manual_seed(7)
ORIGINAL, LATENT = torch.randn(2, 2, 4, 6, 5, generator=GENERATOR)
GREY = torch.rand(1, 1, 6, 5, generator=GENERATOR) * 0.8 + 0.1
LEVEL = torch.tensor([3.0, 3.0])


def soft(repaint: Tensor = GREY, *, bias: float = 1.0, strength: float = 0.5, boost: float = 4.0) -> SoftBlend:
    return SoftBlend(
        original=ORIGINAL,
        repaint=repaint,
        schedule_bias=bias,
        preservation_strength=strength,
        contrast_boost=boost,
    )


def lengths(vectors: Tensor) -> Tensor:
    return vectors.square().sum(dim=1, keepdim=True).sqrt()


@pytest.mark.parametrize("pictures", [1, 2])
def test_the_original_stays_outside_a_mask(pictures: int) -> None:
    repaint = torch.zeros(1, 1, 6, 5)
    repaint[..., 3:] = 1
    blend = HardBlend(original=ORIGINAL[:pictures], repaint=repaint)

    for blended in (blend(LATENT, LEVEL), blend.final(LATENT)):
        assert blended[..., :3].equal(ORIGINAL[:pictures, ..., :3].expand(2, -1, -1, -1))
        assert blended[..., 3:].equal(LATENT[..., 3:])


def test_grey_parts_of_a_mask_are_mixed_in_proportion() -> None:
    blend = HardBlend(original=ORIGINAL, repaint=torch.full((1, 4, 6, 5), 0.25))
    torch.testing.assert_close(blend(LATENT, LEVEL), LATENT * 0.25 + ORIGINAL * 0.75)


def test_a_soft_mask_is_raised_to_a_power_of_the_noise_level() -> None:
    blended = soft(bias=2.0, strength=0.3, boost=4.0)(LATENT, LEVEL)
    expected = mixed_vectors(ORIGINAL, LATENT, GREY ** (3.0**2 * 0.3), 4.0)
    torch.testing.assert_close(blended, expected)


def test_a_soft_mask_keeps_more_of_the_original_at_high_levels() -> None:
    differences = [soft()(LATENT, torch.full((2,), level)) - ORIGINAL for level in (0.1, 1.0, 5.0, 14.6)]
    distances = [difference.square().sum().sqrt().item() for difference in differences]
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 0.3 * distances[0]


def test_each_picture_has_its_own_level() -> None:
    both = soft()(LATENT, torch.tensor([0.5, 8.0]))
    for picture, level in enumerate((0.5, 8.0)):
        torch.testing.assert_close(both[picture], soft()(LATENT, torch.tensor([level, level]))[picture])


def test_a_bias_of_0_is_the_same_at_all_levels() -> None:
    torch.testing.assert_close(soft(bias=0.0)(LATENT, LEVEL), soft(bias=0.0)(LATENT, LEVEL * 4))


def test_nothing_is_preserved_without_strength() -> None:
    torch.testing.assert_close(soft(strength=0.0)(LATENT, LEVEL), LATENT, rtol=1e-4, atol=1e-4)


def test_a_soft_mask_keeps_all_where_it_is_black_and_nothing_where_it_is_white() -> None:
    repaint = torch.zeros(1, 1, 6, 5)
    repaint[..., 3:] = 1
    blended = soft(repaint)(LATENT, LEVEL)
    torch.testing.assert_close(blended[..., :3], ORIGINAL[..., :3], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(blended[..., 3:], LATENT[..., 3:], rtol=1e-4, atol=1e-4)


def test_softly_inpainted_latents_are_finished_as_they_are() -> None:
    assert soft().final(LATENT) is LATENT


@pytest.mark.parametrize("power", [1.0, 2.0, 8.0])
def test_lengths_are_the_power_mean_and_directions_those_of_the_mixture(power: float) -> None:
    mixed = mixed_vectors(ORIGINAL, LATENT, GREY, power)

    mean = (lengths(ORIGINAL) ** power * (1 - GREY) + lengths(LATENT) ** power * GREY) ** (1 / power)
    torch.testing.assert_close(lengths(mixed), mean, rtol=1e-3, atol=0)
    straight = ORIGINAL * (1 - GREY) + LATENT * GREY
    torch.testing.assert_close(mixed / lengths(mixed), straight / lengths(straight), rtol=1e-4, atol=1e-5)


def test_a_high_power_comes_near_the_longer_vector() -> None:
    mixed = mixed_vectors(ORIGINAL * 100, LATENT, torch.full((1, 1, 6, 5), 0.5), 32.0)
    ratio = lengths(mixed) / torch.maximum(lengths(ORIGINAL * 100), lengths(LATENT))
    assert ratio.min() > 0.97  # half of it, to the power of 1/32, is 0.979
    assert ratio.max() <= 1


def test_the_weight_of_the_first_channel_decides_about_lengths() -> None:
    weight = torch.cat((torch.full((1, 1, 6, 5), 0.25), torch.full((1, 3, 6, 5), 0.75)), dim=1)
    mixed = mixed_vectors(ORIGINAL, LATENT, weight, 1.0)
    torch.testing.assert_close(lengths(mixed), lengths(ORIGINAL) * 0.75 + lengths(LATENT) * 0.25, rtol=1e-3, atol=0)


def test_vectors_that_cancel_out_leave_nothing() -> None:
    assert mixed_vectors(LATENT, -LATENT, torch.full((1, 1, 6, 5), 0.5), 4.0).eq(0).all()
