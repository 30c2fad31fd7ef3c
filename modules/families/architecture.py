"""The sizes of a model's networks, in the words of the LDM configuration files (CompVis/latent-diffusion)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PredictionKind = Literal["eps", "v"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerDepths:
    """How many transformer blocks follow each residual block of a UNet; 0 for none.

    Attributes:
        down: level by level, on the way down.
        middle: 0 for a middle of one residual block alone, None for none at all, as pruned models have it.
        up: level by level from the last to the first, on the way up, where each level has a residual block more.
    """

    down: tuple[tuple[int, ...], ...]
    middle: int | None
    up: tuple[tuple[int, ...], ...]

    @classmethod
    def regular(cls, levels: Sequence[int], *, middle: int | None, num_res_blocks: int) -> "TransformerDepths":
        """Return the depths of a UNet whose levels are the same everywhere, on the way up as on the way down."""
        return cls(
            down=tuple((depth,) * num_res_blocks for depth in levels),
            middle=middle,
            up=tuple((depth,) * (num_res_blocks + 1) for depth in reversed(levels)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UNetArchitecture:
    """A UNet with cross-attention (arXiv:2112.10752).

    Attributes:
        in_channels: 4 for latents alone; inpainting models have more.
        out_channels: of the prediction.
        model_channels: width of the first level.
        channel_mult: width of each level, as a multiple of `model_channels`.
        depths: where its transformers are, and how deep.
        heads: attention heads of each level.
        context_dim: width of the token vectors.
        linear_projection: transformers begin and end with a linear layer instead of a 1×1 convolution.
        vector_dim: width of the vector that is added to the timestep's embedding (LDM: `adm_in_channels`), None for
            networks without.
    """

    in_channels: int = 4
    out_channels: int = 4
    model_channels: int
    channel_mult: tuple[int, ...]
    depths: TransformerDepths
    heads: tuple[int, ...]
    context_dim: int
    linear_projection: bool = False
    vector_dim: int | None = None

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
    """The text half of a CLIP model (arXiv:2103.00020), in the words of transformers' `CLIPTextConfig`.

    Attributes:
        vocab_size: tokens.
        hidden_size: width of the token vectors.
        intermediate_size: width inside the feed-forward layers.
        num_hidden_layers: layers.
        num_attention_heads: heads of each.
        max_position_embeddings: tokens that are read at once.
        hidden_act: activation of the feed-forward layers.
        layer_norm_eps: of all layer norms.
        layer: the layer whose output is used, 1 for the last one, n for the n-th from the end.
        projection_dim: width of the vector that says what a chunk as a whole means, None if it cannot make one.
    """

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    max_position_embeddings: int
    hidden_act: str = "quick_gelu"
    layer_norm_eps: float = 1e-5
    layer: int = 1
    projection_dim: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelArchitecture:
    """Everything about a checkpoint that is not in its weights.

    Attributes:
        unet: the denoising network.
        vae: the autoencoder.
        texts: the text encoders, in the family's order.
        tokenizer: folder with `vocab.json` and `merges.txt`, None for the one that comes with the project.
        prediction: what the network predicts, the noise or v (arXiv:2202.00512); None where nobody says it.
        zero_terminal_snr: the last step of the training schedule was pure noise (arXiv:2305.08891).
        scale_factor: latents are multiplied by this after encoding.
        linear_start: first beta of the training schedule, which is linear in the square root of beta.
        linear_end: last beta.
        timesteps: length of the training schedule.
    """

    unet: UNetArchitecture
    vae: VaeArchitecture
    texts: tuple[ClipTextArchitecture, ...]
    tokenizer: Path | None
    prediction: PredictionKind | None = "eps"
    zero_terminal_snr: bool = False
    scale_factor: float
    linear_start: float
    linear_end: float
    timesteps: int = 1000
