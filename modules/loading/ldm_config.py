"""Reads the yaml that describes a checkpoint in the format of CompVis' latent-diffusion.

Such a file names Python classes (`target`). They are never imported: only the numbers are read.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from modules.core.errors import ModelFileError
from modules.core.paths import CONFIGS
from modules.families.architecture import ModelArchitecture, UNetArchitecture, VaeArchitecture
from modules.loading.text_config import read_text_config

MAX_YAML_BYTES = 2**20

# Text encoders that configurations name by their place on the Hugging Face hub, and whose sizes ship with the project.
SHIPPED_TEXT_ENCODERS = {"openai/clip-vit-large-patch14": CONFIGS / "sd1" / "clip-vit-large-patch14"}

# Bounds far above every real model, so that a broken file cannot ask for endless work.
_Width = Annotated[int, Field(ge=1, le=16384)]
_Small = Annotated[int, Field(ge=1, le=64)]
_Multipliers = Annotated[tuple[_Small, ...], Field(min_length=1, max_length=8)]
_Given = Annotated[int, Field(ge=-1, le=16384)]


class _UNet(BaseModel):
    in_channels: _Small = 4
    out_channels: _Small = 4
    model_channels: _Width
    attention_resolutions: tuple[int, ...]
    num_res_blocks: _Small
    channel_mult: _Multipliers
    num_heads: _Given = -1
    num_head_channels: _Given = -1
    transformer_depth: _Small = 1
    context_dim: _Width
    use_linear_in_transformer: bool = False

    @model_validator(mode="after")
    def _heads_are_given(self) -> Self:
        if self.num_heads <= 0 and self.num_head_channels <= 0:
            raise ValueError("neither num_heads nor num_head_channels is given")
        return self

    def architecture(self) -> UNetArchitecture:
        return UNetArchitecture(
            in_channels=self.in_channels,
            out_channels=self.out_channels,
            model_channels=self.model_channels,
            channel_mult=self.channel_mult,
            num_res_blocks=self.num_res_blocks,
            attention=tuple(2**level in self.attention_resolutions for level in range(len(self.channel_mult))),
            transformer_depth=self.transformer_depth,
            heads=tuple(self._heads(self.model_channels * multiplier) for multiplier in self.channel_mult),
            context_dim=self.context_dim,
            linear_projection=self.use_linear_in_transformer,
        )

    def _heads(self, width: int) -> int:
        # Either their number is given or the width of each; -1 means "not given".
        return self.num_heads if self.num_heads > 0 else max(1, width // self.num_head_channels)


class _Ddconfig(BaseModel):
    ch: _Width
    ch_mult: _Multipliers
    num_res_blocks: _Small
    z_channels: _Small
    attn_resolutions: Annotated[tuple[int, ...], Field(max_length=0)] = ()


class _Autoencoder(BaseModel):
    ddconfig: _Ddconfig

    def architecture(self) -> VaeArchitecture:
        return VaeArchitecture(
            channels=self.ddconfig.ch,
            channel_mult=self.ddconfig.ch_mult,
            num_res_blocks=self.ddconfig.num_res_blocks,
            latent_channels=self.ddconfig.z_channels,
        )


class _TextEncoder(BaseModel):
    version: str = "openai/clip-vit-large-patch14"


class _Loader(yaml.SafeLoader):
    """Reads plain data, without merge keys ("<<"): nested in each other, a few lines of them are endless work."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Leave a merge key where it is, for which there is no constructor: the file cannot be read."""


class _UNetSection(BaseModel):
    params: _UNet


class _AutoencoderSection(BaseModel):
    params: _Autoencoder


class _TextEncoderSection(BaseModel):
    params: _TextEncoder = _TextEncoder()


class _Model(BaseModel):
    linear_start: Annotated[float, Field(gt=0, lt=1)] = 0.00085
    linear_end: Annotated[float, Field(gt=0, lt=1)] = 0.0120
    timesteps: Annotated[int, Field(ge=2, le=100_000)] = 1000
    scale_factor: Annotated[float, Field(gt=0)] = 0.18215
    parameterization: Literal["eps", "v"] = "eps"
    unet_config: _UNetSection
    first_stage_config: _AutoencoderSection
    cond_stage_config: _TextEncoderSection


class _ModelSection(BaseModel):
    params: _Model


class _File(BaseModel):
    model: _ModelSection


def read_ldm_config(path: Path) -> ModelArchitecture:
    """Return what the yaml file at `path` says about its checkpoint.

    Raises:
        ModelFileError: it is missing, is no such file, or names a text encoder that is not here; nothing is downloaded.
    """
    try:
        model = _File.model_validate(_parse(path)).model.params
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ModelFileError(
            f"“{path.name}” does not describe a model that can be loaded: {place}: {first['msg']}."
        ) from error
    text_folder = _text_encoder_folder(path, model.cond_stage_config.params.version)
    return ModelArchitecture(
        unet=model.unet_config.params.architecture(),
        vae=model.first_stage_config.params.architecture(),
        text=read_text_config(text_folder),
        tokenizer=text_folder if (text_folder / "vocab.json").is_file() else None,
        prediction=model.parameterization,
        scale_factor=model.scale_factor,
        linear_start=model.linear_start,
        linear_end=model.linear_end,
        timesteps=model.timesteps,
    )


def _parse(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_YAML_BYTES:
            raise ModelFileError(f"“{path.name}” is too large for a model's configuration.")
        return _Loader(path.read_text(encoding="utf-8")).get_single_data()
    except FileNotFoundError as error:
        raise ModelFileError(f"“{path.name}” is no longer in {path.parent}. Refresh the checkpoint list.") from error
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise ModelFileError(f"“{path.name}” cannot be read as yaml. Correct it or remove it.") from error


def _text_encoder_folder(path: Path, version: str) -> Path:
    """The folder beside the yaml that `version` names, or the one that ships with the project for a public name."""
    beside, root = (path.parent / version).resolve(), path.parent.resolve()
    if beside.is_relative_to(root) and (beside / "config.json").is_file():
        return beside
    if version in SHIPPED_TEXT_ENCODERS:
        return SHIPPED_TEXT_ENCODERS[version]
    raise ModelFileError(
        f"“{path.name}” names the text encoder “{version}”, but there is no such folder with a config.json below "
        f"{path.parent}. Put it there; nothing is downloaded."
    )
