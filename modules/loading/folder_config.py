"""What the configuration files in a folder of diffusers say."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator

from modules.core.errors import ModelFileError
from modules.families.architecture import TransformerDepths, UNetArchitecture, VaeArchitecture
from modules.loading.text_config import read_json

_Width = Annotated[int, Field(ge=1, le=16384)]
_Small = Annotated[int, Field(ge=1, le=64)]
_Widths = Annotated[tuple[_Width, ...], Field(min_length=1, max_length=8)]
_PerBlock = Annotated[tuple[_Small, ...], Field(min_length=1, max_length=64)]
_Depth = Annotated[int, Field(ge=0, le=64)]  # what is written of a level without transformers means nothing
_DepthPerBlock = Annotated[tuple[_Depth, ...], Field(min_length=1, max_length=64)]
_Depths = Annotated[tuple[_Depth | _DepthPerBlock, ...], Field(min_length=1, max_length=8)]

_CROSS = "CrossAttnDownBlock2D"


class UNetConfig(BaseModel):
    """`unet/config.json`."""

    in_channels: _Small = 4
    out_channels: _Small = 4
    block_out_channels: _Widths
    layers_per_block: _Small | _PerBlock = 2
    down_block_types: tuple[Literal["CrossAttnDownBlock2D", "DownBlock2D"], ...]
    mid_block_type: Literal["UNetMidBlock2DCrossAttn", "UNetMidBlock2D"] | None = "UNetMidBlock2DCrossAttn"
    transformer_layers_per_block: _Depth | _Depths = 1
    reverse_transformer_layers_per_block: _Depths | None = None
    attention_head_dim: _Width | _Widths = 8
    cross_attention_dim: _Width | _Widths
    use_linear_projection: bool = False
    addition_embed_type: Literal["text_time"] | None = None
    projection_class_embeddings_input_dim: _Width | None = None
    # Variants that are not built here; a folder with one of them is refused.
    act_fn: Literal["silu"] = "silu"
    addition_time_embed_dim: Literal[256] | None = None
    class_embed_type: None = None
    dual_cross_attention: Literal[False] = False
    norm_num_groups: Literal[32] = 32
    only_cross_attention: Literal[False] = False
    resnet_time_scale_shift: Literal["default"] = "default"

    @model_validator(mode="after")
    def _levels_agree(self) -> Self:
        lengths = {len(self.down_block_types), len(self._heads()), len(self._layers()), len(self._depths())}
        if lengths != {len(self.block_out_channels)}:
            raise ValueError("what is said of each level differs in length")
        if len(set(self._context_dims())) != 1:
            raise ValueError("cross_attention_dim is not the same everywhere")
        self.architecture()
        return self

    def architecture(self) -> UNetArchitecture:
        """Return the sizes."""
        first = self.block_out_channels[0]
        return UNetArchitecture(
            in_channels=self.in_channels,
            out_channels=self.out_channels,
            model_channels=first,
            channel_mult=tuple(width // first for width in self.block_out_channels),
            depths=TransformerDepths(
                down=_depths_of(self._depths(), self._layers(), self._attends()),
                middle=self._middle(),
                up=self._up(),
            ),
            heads=self._heads(),
            context_dim=self._context_dims()[0],
            linear_projection=self.use_linear_projection,
            vector_dim=self.projection_class_embeddings_input_dim if self.addition_embed_type else None,
        )

    def _middle(self) -> int | None:
        if self.mid_block_type != "UNetMidBlock2DCrossAttn":
            return None if self.mid_block_type is None else 0
        last = self._depths()[-1]
        depth = last if isinstance(last, int) else last[0]
        if depth == 0:
            raise ValueError("the middle has attention, but transformers of depth 0")
        return depth

    def _up(self) -> tuple[tuple[int, ...], ...]:
        depths = self.reverse_transformer_layers_per_block
        if depths is None:
            depths = self._depths()[::-1]
            if not all(isinstance(depth, int) for depth in depths):
                raise ValueError("reverse_transformer_layers_per_block is missing")
        return _depths_of(depths, [count + 1 for count in reversed(self._layers())], self._attends()[::-1])

    def _attends(self) -> list[bool]:
        return [kind == _CROSS for kind in self.down_block_types]

    def _layers(self) -> tuple[int, ...]:
        layers = self.layers_per_block
        return (layers,) * len(self.block_out_channels) if isinstance(layers, int) else layers

    def _depths(self) -> tuple[int | tuple[int, ...], ...]:
        depths = self.transformer_layers_per_block
        return (depths,) * len(self.block_out_channels) if isinstance(depths, int) else depths

    def _heads(self) -> tuple[int, ...]:
        # In spite of its name this is the number of heads, one for each level or one for all.
        heads = self.attention_head_dim
        return (heads,) * len(self.block_out_channels) if isinstance(heads, int) else heads

    def _context_dims(self) -> tuple[int, ...]:
        return (self.cross_attention_dim,) if isinstance(self.cross_attention_dim, int) else self.cross_attention_dim


class VaeConfig(BaseModel):
    """`vae/config.json`."""

    block_out_channels: _Widths
    layers_per_block: _Small = 1
    latent_channels: _Small = 4
    scaling_factor: Annotated[float, Field(gt=0)] = 0.18215
    # A variant that is not built here; a folder with it is refused.
    latents_mean: None = None

    def architecture(self) -> VaeArchitecture:
        """Return the sizes."""
        first = self.block_out_channels[0]
        return VaeArchitecture(
            channels=first,
            channel_mult=tuple(width // first for width in self.block_out_channels),
            num_res_blocks=self.layers_per_block,
            latent_channels=self.latent_channels,
        )


class SchedulerConfig(BaseModel):
    """`scheduler/scheduler_config.json`."""

    beta_start: Annotated[float, Field(gt=0, lt=1)] = 0.00085
    beta_end: Annotated[float, Field(gt=0, lt=1)] = 0.012
    num_train_timesteps: Annotated[int, Field(ge=2, le=100_000)] = 1000
    prediction_type: Literal["epsilon", "v_prediction"] = "epsilon"
    rescale_betas_zero_snr: bool = False


_Config = TypeVar("_Config", bound=BaseModel)


def read_config(path: Path, kind: type[_Config]) -> _Config:
    """Return what the configuration file at `path` says.

    Raises:
        ModelFileError: it is missing, or describes what cannot be built.
    """
    try:
        return kind.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ModelFileError(f"{path} describes a model that cannot be loaded: {place}: {first['msg']}.") from error


def _depths_of(
    depths: Sequence[int | tuple[int, ...]], layers: Sequence[int], attends: Sequence[bool]
) -> tuple[tuple[int, ...], ...]:
    """Return the transformers' depths after each block of each level; given for a level as a whole or block by block.

    Raises:
        ValueError: there are not as many as levels, or as blocks; or one of a level with attention is 0.
    """
    levels = tuple(
        ((depth,) * count if isinstance(depth, int) else depth) if there else (0,) * count
        for depth, count, there in zip(depths, layers, attends, strict=False)
    )
    if [len(level) for level in levels] != list(layers):
        raise ValueError("there are not as many transformer depths as levels and residual blocks")
    if any(there and 0 in level for level, there in zip(levels, attends, strict=True)):
        raise ValueError("a level has attention, but transformers of depth 0")
    return levels
