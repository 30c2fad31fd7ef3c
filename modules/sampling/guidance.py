"""How several opinions about a picture become one. All are denoised pictures [B,C,h,w] (or predicted noise)."""

from collections.abc import Sequence

from torch import Tensor


def guided(cond: Tensor, uncond: Tensor, scale: float) -> Tensor:
    """Return uncond + scale · (cond - uncond): classifier-free guidance (arXiv:2207.12598).

    Args:
        cond: for the prompt [B,C,h,w].
        uncond: for the negative prompt [B,C,h,w].
        scale: CFG scale; 1 is `cond`, 0 is `uncond`.
    """
    return uncond + (cond - uncond) * scale


def guided_by_parts(
    cond: Tensor, uncond: Tensor, owners: Sequence[int], weights: Sequence[float], scale: float
) -> Tensor:
    """Return uncond + scale · Σ weight · (cond - uncond): guidance by several prompts (arXiv:2206.01714).

    Args:
        cond: for the parts of all prompts [P,C,h,w].
        uncond: for the negative prompts [B,C,h,w].
        owners: number of the picture that each of the P parts belongs to.
        weights: of each part.
        scale: CFG scale.
    """
    result = uncond.clone()
    for part, owner, weight in zip(cond, owners, weights, strict=True):
        result[owner] += (part - uncond[owner]) * (weight * scale)
    return result


def guided_by_picture(told: Tensor, uncond: Tensor, without: Tensor, image_scale: float) -> Tensor:
    """Return the guidance of a model that edits a picture (arXiv:2211.09800, equation 3).

    Args:
        told: what `guided` or `guided_by_parts` makes of prompt and negative prompt, both with the picture [B,C,h,w].
        uncond: for negative prompt and picture [B,C,h,w].
        without: for the negative prompt without the picture [B,C,h,w].
        image_scale: how closely the picture is followed.
    """
    return without + (told - uncond) + image_scale * (uncond - without)
