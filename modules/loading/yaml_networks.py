"""What a checkpoint's yaml says about its UNet and its autoencoder; LDM and sgm say it in the same words."""

from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from modules.families.architecture import TransformerDepths, UNetArchitecture, VaeArchitecture

# Bounds far above every real model, so that a broken file cannot ask for endless work.
Width = Annotated[int, Field(ge=1, le=16384)]
Small = Annotated[int, Field(ge=1, le=64)]
_Multipliers = Annotated[tuple[Small, ...], Field(min_length=1, max_length=8)]
_Depth = Annotated[int, Field(ge=0, le=64)]
_Given = Annotated[int, Field(ge=-1, le=16384)]


class _UNet(BaseModel):
    in_channels: Small = 4
    out_channels: Small = 4
    model_channels: Width
    attention_resolutions: tuple[int, ...]
    num_res_blocks: Small
    channel_mult: _Multipliers
    num_heads: _Given = -1
    num_head_channels: _Given = -1
    transformer_depth: _Depth | tuple[_Depth, ...] = 1
    transformer_depth_middle: _Depth | None = None
    context_dim: Width | tuple[Width, ...]
    use_linear_in_transformer: bool = False
    adm_in_channels: Width | None = None

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        if self.num_heads <= 0 and self.num_head_channels <= 0:
            raise ValueError("neither num_heads nor num_head_channels is given")
        if len(self._depths()) != len(self.channel_mult):
            raise ValueError("transformer_depth and channel_mult differ in length")
        if len(set(self._context_dims())) != 1:
            raise ValueError("context_dim is not the same everywhere")
        return self

    def architecture(self) -> UNetArchitecture:
        depths = self._depths()
        attends = [2**level in self.attention_resolutions for level in range(len(depths))]
        middle = depths[-1] if self.transformer_depth_middle is None else self.transformer_depth_middle
        return UNetArchitecture(
            in_channels=self.in_channels,
            out_channels=self.out_channels,
            model_channels=self.model_channels,
            channel_mult=self.channel_mult,
            depths=TransformerDepths.regular(
                [depth if there else 0 for depth, there in zip(depths, attends, strict=True)],
                middle=middle,
                num_res_blocks=self.num_res_blocks,
            ),
            heads=tuple(self._heads(self.model_channels * multiplier) for multiplier in self.channel_mult),
            context_dim=self._context_dims()[0],
            linear_projection=self.use_linear_in_transformer,
            vector_dim=self.adm_in_channels,
        )

    def _depths(self) -> tuple[int, ...]:
        depth = self.transformer_depth
        return (depth,) * len(self.channel_mult) if isinstance(depth, int) else depth

    def _context_dims(self) -> tuple[int, ...]:
        return (self.context_dim,) if isinstance(self.context_dim, int) else self.context_dim

    def _heads(self, width: int) -> int:
        # Either their number is given or the width of each; -1 means "not given".
        return self.num_heads if self.num_heads > 0 else max(1, width // self.num_head_channels)


class _Ddconfig(BaseModel):
    ch: Width
    ch_mult: _Multipliers
    num_res_blocks: Small
    z_channels: Small
    attn_resolutions: Annotated[tuple[int, ...], Field(max_length=0)] = ()


class _Autoencoder(BaseModel):
    ddconfig: _Ddconfig


class UNetSection(BaseModel):
    """`unet_config` of LDM, `network_config` of sgm."""

    params: _UNet

    def architecture(self) -> UNetArchitecture:
        """Return the sizes."""
        return self.params.architecture()


class AutoencoderSection(BaseModel):
    """`first_stage_config`."""

    params: _Autoencoder

    def architecture(self) -> VaeArchitecture:
        """Return the sizes."""
        sizes = self.params.ddconfig
        return VaeArchitecture(
            channels=sizes.ch,
            channel_mult=sizes.ch_mult,
            num_res_blocks=sizes.num_res_blocks,
            latent_channels=sizes.z_channels,
        )
