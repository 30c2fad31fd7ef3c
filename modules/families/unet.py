"""The UNet of SD 1.x, from diffusers, with the one difference to LDM's put right."""

from typing import Any

import torch.nn.functional as F  # noqa: N812  # its usual name
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

from modules.families.architecture import UNetArchitecture
from modules.families.skeleton import skeleton

VALUES_PER_CELL = 8000
"""About what SD's UNet holds at its peak per cell of a latent: its skip connections and the widest feed-forward."""


class LdmUpsample(nn.Module):
    """Doubles the size as LDM does: nearest neighbours, convolution, and only then cut to the skip connection's size.

    diffusers resizes straight to the skip connection's size before the convolution. That is the same unless a latent's
    side is no multiple of 8 (pictures of 56 px, 520 px …), where it changes the picture.
    """

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, hidden_states: Tensor, output_size: tuple[int, int] | None = None) -> Tensor:
        """Return [B, C, 2h, 2w], or [B, C, *output_size].

        Args:
            hidden_states: [B, C, h, w].
            output_size: size of the skip connection that follows, None when it is the double.
        """
        doubled = self.conv(F.interpolate(hidden_states, scale_factor=2.0, mode="nearest"))
        if output_size is None or doubled.shape[-2:] == tuple(output_size):
            return doubled
        return F.interpolate(doubled, size=output_size, mode="nearest")


def build_unet(architecture: UNetArchitecture) -> nn.Module:
    """Return the network without weights (on the meta device)."""
    options: dict[str, Any] = {
        "in_channels": architecture.in_channels,
        "out_channels": architecture.out_channels,
        "down_block_types": tuple(
            "CrossAttnDownBlock2D" if attends else "DownBlock2D" for attends in architecture.attention
        ),
        "up_block_types": tuple(
            "CrossAttnUpBlock2D" if attends else "UpBlock2D" for attends in reversed(architecture.attention)
        ),
        "block_out_channels": architecture.widths,
        "layers_per_block": architecture.num_res_blocks,
        "cross_attention_dim": architecture.context_dim,
        "transformer_layers_per_block": architecture.transformer_depth,
        # In spite of its name this is the number of heads (huggingface/diffusers issue 2011).
        "attention_head_dim": architecture.heads,
        "use_linear_projection": architecture.linear_projection,
    }
    with skeleton():
        unet = UNet2DConditionModel(**options)
    _upsample_as_ldm(unet)
    return unet


def _upsample_as_ldm(unet: nn.Module) -> None:
    for parent in list(unet.modules()):
        for name, child in parent.named_children():
            if isinstance(child, Upsample2D) and child.conv is not None:
                setattr(parent, name, LdmUpsample(child.conv))
