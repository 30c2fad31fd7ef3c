"""The sizes of a model's networks, in the words of the LDM configuration files (CompVis/latent-diffusion)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class UNetArchitecture:
    """A UNet with cross-attention (arXiv:2112.10752).

    Attributes:
        in_channels: 4 for latents alone; inpainting models have more.
        out_channels: of the prediction.
        model_channels: width of the first level.
        channel_mult: width of each level, as a multiple of `model_channels`.
        num_res_blocks: residual blocks per level on the way down; on the way up there is one more.
        attention: which levels have transformer blocks.
        transformer_depth: blocks per transformer.
        heads: attention heads of each level.
        context_dim: width of the text encoder's vectors.
        linear_projection: transformers begin and end with a linear layer instead of a 1×1 convolution (SD 2.x).
    """

    in_channels: int = 4
    out_channels: int = 4
    model_channels: int
    channel_mult: tuple[int, ...]
    num_res_blocks: int
    attention: tuple[bool, ...]
    transformer_depth: int = 1
    heads: tuple[int, ...]
    context_dim: int
    linear_projection: bool = False

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level."""
        return tuple(self.model_channels * multiplier for multiplier in self.channel_mult)


@dataclass(frozen=True, slots=True, kw_only=True)
class VaeArchitecture:
    """A convolutional autoencoder between pictures and latents, with attention in the middle only.

    Attributes:
        channels: width of the level next to the picture (LDM: `ch`).
        channel_mult: width of each level, as a multiple of `channels`; every level but the last halves the size.
        num_res_blocks: residual blocks per level of the encoder; the decoder has one more.
        latent_channels: channels of a latent (LDM: `z_channels`).
    """

    channels: int
    channel_mult: tuple[int, ...]
    num_res_blocks: int
    latent_channels: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipTextArchitecture:
    """The text half of a CLIP model (arXiv:2103.00020), in the words of transformers' `CLIPTextConfig`."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    max_position_embeddings: int
    hidden_act: str = "quick_gelu"
    layer_norm_eps: float = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelArchitecture:
    """Everything about a checkpoint that is not in its weights.

    Attributes:
        unet: the denoising network.
        vae: the autoencoder.
        text: the text encoder.
        tokenizer: folder with `vocab.json` and `merges.txt`, None for the one that comes with the project.
        prediction: what the network predicts, the noise or v (arXiv:2202.00512).
        scale_factor: latents are multiplied by this after encoding.
        linear_start: first beta of the training schedule, which is linear in the square root of beta.
        linear_end: last beta.
        timesteps: length of the training schedule.
    """

    unet: UNetArchitecture
    vae: VaeArchitecture
    text: ClipTextArchitecture
    tokenizer: Path | None
    prediction: Literal["eps", "v"] = "eps"
    scale_factor: float
    linear_start: float
    linear_end: float
    timesteps: int = 1000
