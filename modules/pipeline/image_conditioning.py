"""What a network is shown beside latents: inpainting models a mask and what it leaves, editing models a picture."""

from dataclasses import replace

import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor

from modules.conditioning.conditioning import Conditioning
from modules.families.base import LoadedModel
from modules.pipeline.context import RunContext
from modules.pipeline.pictures import encode_pictures
from modules.sampling.denoiser import Told, WeightedPrompt
from modules.sampling.timeline import Timeline


def with_concat(told: Told[Conditioning], concat: Tensor, *, edits: bool) -> Told[Conditioning]:
    """Return the same with channels beside the latents.

    Args:
        told: what a batch of B pictures is told.
        concat: [1 or B,E,h,w], of all pictures or of each.
        edits: the model edits a picture, so it is also asked what it would do without it.
    """
    shown = [concat[n % len(concat)][None] for n in range(len(told.prompts))]
    prompts = tuple(
        tuple(WeightedPrompt(weight=part.weight, timeline=_shown(part.timeline, one)) for part in parts)
        for parts, one in zip(told.prompts, shown, strict=True)
    )
    negatives = tuple(_shown(timeline, one) for timeline, one in zip(told.negatives, shown, strict=True))
    hidden = torch.zeros_like(concat[:1])
    without = tuple(_shown(timeline, hidden) for timeline in told.negatives) if edits else None
    return replace(told, prompts=prompts, negatives=negatives, without_picture=without)


def nothing_to_keep(context: RunContext, model: LoadedModel, width: int, height: int) -> Tensor | None:
    """Return what a network is shown that makes a picture of `width` × `height` px from nothing, None for most.

    An inpainting model sees a mask that covers all, and the latent of a grey picture under it.
    """
    if model.extra_channels is None:
        return None
    side = model.latent_format.downscale
    if model.extra_channels == "picture":
        return torch.zeros(1, model.latent_format.channels, height // side, width // side, device=model.device)
    grey = encode_pictures(context, model, torch.zeros(1, 3, height, width, device=model.device))
    return torch.cat((torch.ones_like(grey[:, :1]), grey), dim=1)


def masked_pictures(
    context: RunContext, model: LoadedModel, pictures: Tensor, mask: Tensor | None, strength: float
) -> Tensor:
    """Return what an inpainting model is shown: the mask and the latents of what it leaves [B,1+C,h,w].

    Args:
        context: the job's.
        model: an inpainting model.
        pictures: [B,3,H,W] in -1..1.
        mask: [1,1,H,W], 0..1, 1 is made anew; None where all is.
        strength: how well the masked part is hidden, 0..1 (setting `inpainting_mask_weight`).
    """
    if mask is None:
        mask = pictures.new_ones(1, 1, *pictures.shape[-2:])
    left = torch.lerp(pictures, pictures * (1 - mask), strength)
    latents = encode_pictures(context, model, left)
    small = F.interpolate(mask, size=latents.shape[-2:])
    return torch.cat((small.expand(len(latents), -1, -1, -1), latents), dim=1)


def edited_pictures(context: RunContext, model: LoadedModel, pictures: Tensor) -> Tensor:
    """Return what an InstructPix2Pix model is shown of pictures [B,3,H,W] in -1..1: their latents, not scaled."""
    return encode_pictures(context, model, pictures) / model.latent_format.scale


def _shown(timeline: Timeline[Conditioning], concat: Tensor) -> Timeline[Conditioning]:
    """Let equal conditionings stay one object, by which a denoiser knows that nothing has changed."""
    shown = {id(value): value.with_concat(concat) for value in timeline.values}
    return Timeline(ends=timeline.ends, values=tuple(shown[id(value)] for value in timeline.values))
