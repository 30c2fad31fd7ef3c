"""Models that edit a picture (InstructPix2Pix) are also asked without it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from modules.conditioning.conditioning import Conditioning
from modules.conditioning.padding import with_empty_chunks
from modules.sampling.denoiser import Told
from tests.sampling.attending import (
    COMPOSED,
    EMPTY,
    NEGATIVES,
    PROMPTS,
    SIGMA,
    AttendingNetwork,
    Parts,
    X,
    always,
    by_hand,
    denoised,
    followed_by,
    guided_by,
    text,
    told,
)

SHOWN = torch.randn(2, 4, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
"""The pictures that a model is to edit."""


def editing(prompts: Sequence[Parts], negatives: Sequence[Conditioning]) -> Told[Conditioning]:
    seen = [[(weight, said.with_concat(SHOWN[n, None])) for weight, said in parts] for n, parts in enumerate(prompts)]
    without = [always(said.with_concat(torch.zeros_like(SHOWN[:1]))) for said in negatives]
    both = told(seen, [said.with_concat(SHOWN[n, None]) for n, said in enumerate(negatives)])
    return replace(both, without_picture=without)


def edited_by_hand(
    prompts: Sequence[Parts], negatives: Sequence[Conditioning], scale: float, image_scale: float
) -> Tensor:
    """arXiv:2211.09800, equation 3, with the sum over a prompt's parts in the place of the prompt's term."""
    pictures: list[Tensor] = []
    for n, (parts, negative) in enumerate(zip(prompts, negatives, strict=True)):
        shown = SHOWN[n, None]
        without = denoised(n, negative.with_concat(torch.zeros_like(shown)))
        uncond = denoised(n, negative.with_concat(shown))
        pulls = [scale * weight * (denoised(n, said.with_concat(shown)) - uncond) for weight, said in parts]
        pictures.append(sum(pulls, without + image_scale * (uncond - without)))
    return torch.cat(pictures)


@pytest.mark.parametrize(
    "options",
    [{}, {"cfg_scale": 1.0}, {"minimum_sigma": 20.0, "minimum_sigma_always": True}],
    ids=str,
)
def test_a_model_that_edits_is_also_asked_without_the_picture(options: dict[str, Any]) -> None:
    network = AttendingNetwork()
    result = guided_by(network, editing(PROMPTS, NEGATIVES), image_cfg_scale=1.5, **options)(X, SIGMA)
    torch.testing.assert_close(result, edited_by_hand(PROMPTS, NEGATIVES, options.get("cfg_scale", 7.0), 1.5))
    assert network.calls == [(6, 77)]


def test_a_picture_scale_of_1_is_guidance_by_prompts_alone() -> None:
    network = AttendingNetwork()
    result = guided_by(network, editing(PROMPTS, NEGATIVES), image_cfg_scale=1.0)(X, SIGMA)
    torch.testing.assert_close(result, edited_by_hand(PROMPTS, NEGATIVES, 7.0, 1.0))
    assert network.calls == [(4, 77)]


def test_the_picture_scale_is_for_models_that_edit() -> None:
    network = AttendingNetwork()
    result = guided_by(network, told(PROMPTS, NEGATIVES), image_cfg_scale=1.5)(X, SIGMA)
    torch.testing.assert_close(result, by_hand(PROMPTS, NEGATIVES, 7.0))
    assert network.calls == [(4, 77)]


@pytest.mark.parametrize(
    ("chunks", "together", "calls"),
    [(5, True, [(2, 77 * 5), (4, 154)]), (1, False, [(2, 77), (2, 154), (2, 154)])],
)
def test_what_does_not_fit_together_is_asked_apart(chunks: int, together: bool, calls: list[tuple[int, int]]) -> None:
    network = AttendingNetwork()
    prompts: Sequence[Parts] = [[(1.0, text(1, chunks))], [(1.0, text(2, chunks))]]
    negatives = [text(3, 2), text(4, 2)]
    result = guided_by(network, editing(prompts, negatives), image_cfg_scale=1.5, together=together)(X, SIGMA)
    torch.testing.assert_close(result, edited_by_hand(prompts, negatives, 7.0, 1.5))
    assert network.calls == calls


def test_a_model_that_edits_takes_prompts_of_several_parts() -> None:
    result = guided_by(AttendingNetwork(), editing(COMPOSED, NEGATIVES), image_cfg_scale=1.5)(X, SIGMA)
    torch.testing.assert_close(result, edited_by_hand(COMPOSED, NEGATIVES, 7.0, 1.5))


def test_lengths_are_made_equal_for_a_model_that_edits_too() -> None:
    network, negatives = AttendingNetwork(), [text(3, 2), text(4, 2)]
    said = replace(editing(PROMPTS, negatives), equalise=with_empty_chunks(EMPTY))

    result = guided_by(network, said, image_cfg_scale=1.5)(X, SIGMA)

    longer: Sequence[Parts] = [[(1.0, followed_by(parts[0][1], EMPTY.cross_attention))] for parts in PROMPTS]
    torch.testing.assert_close(result, edited_by_hand(longer, negatives, 7.0, 1.5))
