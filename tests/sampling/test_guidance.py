import pytest
import torch

from modules.sampling.guidance import guided, guided_by_parts, guided_by_picture


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 7.0, 30.0])
def test_guidance_extrapolates(scale: float) -> None:
    cond, uncond = torch.randn(2, 2, 4, 5, 3, dtype=torch.float64)
    torch.testing.assert_close(guided(cond, uncond, scale), uncond * (1 - scale) + cond * scale)


def test_each_part_pulls_at_its_own_picture_by_its_weight() -> None:
    cond = torch.randn(4, 4, 5, 3, dtype=torch.float64)
    first, second = torch.randn(2, 4, 5, 3, dtype=torch.float64)

    result = guided_by_parts(cond, torch.stack((first, second)), (0, 1, 1, 1), (0.8, 1.0, -0.5, 2.0), 7.0)

    torch.testing.assert_close(result[0], first + 7 * 0.8 * (cond[0] - first))
    pulls = 1.0 * (cond[1] - second) - 0.5 * (cond[2] - second) + 2.0 * (cond[3] - second)
    torch.testing.assert_close(result[1], second + 7 * pulls)


def test_one_part_of_weight_1_is_plain_guidance() -> None:
    cond, uncond = torch.randn(2, 2, 4, 5, 3, dtype=torch.float64)
    torch.testing.assert_close(guided_by_parts(cond, uncond, (0, 1), (1.0, 1.0), 7.0), guided(cond, uncond, 7.0))


def test_parts_leave_what_they_are_given_alone() -> None:
    cond, uncond = torch.randn(2, 1, 4, 5, 3)
    before = uncond.clone()
    guided_by_parts(cond, uncond, (0,), (1.0,), 7.0)
    assert uncond.equal(before)


def test_editing_follows_prompt_and_picture_each_by_its_own_scale() -> None:
    cond, uncond, without = torch.randn(3, 2, 4, 5, 3, dtype=torch.float64)

    result = guided_by_picture(guided(cond, uncond, 7.0), uncond, without, 1.5)

    torch.testing.assert_close(result, 7 * cond + (1.5 - 7) * uncond + (1 - 1.5) * without)
    assert guided_by_picture(uncond, uncond, without, 0.0).equal(without)


def test_a_picture_scale_of_1_is_plain_guidance() -> None:
    cond, uncond, without = torch.randn(3, 2, 4, 5, 3, dtype=torch.float64)
    torch.testing.assert_close(
        guided_by_picture(guided(cond, uncond, 7.0), uncond, without, 1.0), guided(cond, uncond, 7.0)
    )
