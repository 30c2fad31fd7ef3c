"""The UNet of Stable Diffusion, from diffusers, with the differences to LDM's put right."""

from typing import Any

import torch.nn.functional as F  # noqa: N812  # its usual name
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

from modules.families.architecture import TransformerDepths, UNetArchitecture
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
    """Return the network without weights (on the meta device).

    What a family adds to the timestep's embedding is the network's `class_labels` [B, vector_dim].

    Raises:
        ValueError: the sizes make no network.
    """
    depths = architecture.depths
    _check_depths(depths)
    # diffusers takes the middle's depth from the last level, which does not use it when it has no transformers.
    last = depths.down[-1] if depths.down[-1][0] else (depths.middle or 0,)
    options: dict[str, Any] = {
        "in_channels": architecture.in_channels,
        "out_channels": architecture.out_channels,
        "down_block_types": tuple("CrossAttnDownBlock2D" if level[0] else "DownBlock2D" for level in depths.down),
        "mid_block_type": _middle_type(depths.middle),
        "up_block_types": tuple("CrossAttnUpBlock2D" if level[0] else "UpBlock2D" for level in depths.up),
        "block_out_channels": architecture.widths,
        "layers_per_block": tuple(len(level) for level in depths.down),
        "cross_attention_dim": architecture.context_dim,
        "transformer_layers_per_block": (*depths.down[:-1], last),
        "reverse_transformer_layers_per_block": depths.up,
        # In spite of its name this is the number of heads (huggingface/diffusers issue 2011).
        "attention_head_dim": architecture.heads,
        "use_linear_projection": architecture.linear_projection,
    }
    if architecture.vector_dim is not None:
        options["class_embed_type"] = "projection"
        options["projection_class_embeddings_input_dim"] = architecture.vector_dim
    with skeleton():
        unet = UNet2DConditionModel(**options)
    _upsample_as_ldm(unet)
    return unet


def _middle_type(depth: int | None) -> str | None:
    if depth is None:
        return None
    return "UNetMidBlock2DCrossAttn" if depth else "UNetMidBlock2D"


def _check_depths(depths: TransformerDepths) -> None:
    """Refuse what diffusers would build otherwise than it is described.

    Raises:
        ValueError: diffusers cannot build it.
    """
    if any(len({depth > 0 for depth in level}) != 1 for level in (*depths.down, *depths.up)):
        raise ValueError("a level has transformers after some of its residual blocks only")
    if [len(level) for level in depths.up] != [len(level) + 1 for level in reversed(depths.down)]:
        raise ValueError("the way up does not have one residual block per level more than the way down")
    if depths.middle and depths.down[-1][0] not in (0, depths.middle):
        raise ValueError("the middle's transformer is not as deep as those of the last level")


def _upsample_as_ldm(unet: nn.Module) -> None:
    for parent in list(unet.modules()):
        for name, child in parent.named_children():
            if isinstance(child, Upsample2D) and child.conv is not None:
                setattr(parent, name, LdmUpsample(child.conv))
