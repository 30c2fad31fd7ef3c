"""How two opinions about a picture become one."""

from torch import Tensor


def guided(cond: Tensor, uncond: Tensor, scale: float) -> Tensor:
    """Return uncond + scale · (cond - uncond): classifier-free guidance (arXiv:2207.12598).

    Args:
        cond: denoised pictures [B,C,h,w] for the prompt.
        uncond: denoised pictures [B,C,h,w] for the negative prompt.
        scale: CFG scale; 1 is `cond`, 0 is `uncond`.
    """
    return uncond + (cond - uncond) * scale
