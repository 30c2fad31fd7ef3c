"""Which attention kernel the denoising network uses. The only place that knows of xformers."""

import importlib
import logging
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import nn

from modules.core.flags import Flags

log = logging.getLogger(__name__)


@runtime_checkable
class _DiffusersNetwork(Protocol):
    """A network whose attention kernel can be exchanged."""

    def enable_xformers_memory_efficient_attention(self) -> None:
        """Use xformers' kernel in all attention layers."""
        ...


def prepare_attention(network: nn.Module, flags: Flags, device: torch.device) -> Literal["xformers", "sdpa"]:
    """Let `network` use xformers' attention if `--xformers` asks for it and it works here, else leave it PyTorch's.

    PyTorch's scaled_dot_product_attention (SDPA) is as fast on current devices, so failing to get xformers is no error.

    Returns:
        The kernel in use.
    """
    if not flags.xformers:
        return "sdpa"
    if device.type != "cuda":
        log.warning("--xformers needs a CUDA device; PyTorch's attention (SDPA) is used on %s.", device.type)
        return "sdpa"
    try:
        importlib.import_module("xformers.ops")  # optional, and on some systems installed but broken
    except (ImportError, OSError) as error:
        log.warning("--xformers: xformers cannot be loaded (%s); PyTorch's attention (SDPA) is used.", error)
        return "sdpa"
    if not isinstance(network, _DiffusersNetwork):
        return "sdpa"
    network.enable_xformers_memory_efficient_attention()
    return "xformers"
