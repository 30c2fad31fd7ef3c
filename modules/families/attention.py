"""Attention in float32, whatever the rest of the network computes in."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import torch.nn.functional as F  # noqa: N812  # its usual name
from diffusers.models.attention_processor import Attention
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn


class Float32Attention:
    """Scaled dot-product attention as diffusers' `AttnProcessor2_0`, in float32."""

    def __call__(
        self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, **_: Any
    ) -> Tensor:
        """Return [B,N,D] in the dtype of `hidden_states` [B,N,D], which look at themselves or at other vectors."""
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states

        def by_head(layer: nn.Module | None, vectors: Tensor) -> Tensor:
            made: Tensor = cast("nn.Linear", layer)(vectors)
            return made.view(*made.shape[:2], attn.heads, -1).transpose(1, 2).float()

        seen = F.scaled_dot_product_attention(
            by_head(attn.to_q, hidden_states), by_head(attn.to_k, context), by_head(attn.to_v, context)
        )
        projection = cast("nn.ModuleList", attn.to_out)[0]
        return projection(seen.transpose(1, 2).flatten(2).to(hidden_states.dtype))


@contextmanager
def attention_in_float32(network: nn.Module) -> Generator[None]:
    """In this context a network of `build_unet` multiplies queries, keys and values in float32.

    In half precision the sums of some models, SD 2.1 above all, overflow on devices whose kernel does not add them up
    in float32. Afterwards the network has the kernel that it had before.
    """
    unet = cast("UNet2DConditionModel", network)
    before = dict(unet.attn_processors)
    unet.set_attn_processor(cast("Any", Float32Attention()))
    try:
        yield
    finally:
        unet.set_attn_processor(before)
