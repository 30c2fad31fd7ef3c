"""A checkpoint as a folder of diffusers: one subfolder per network, each with a `config.json` and a file of weights."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator

from modules.core.errors import ModelFileError
from modules.families.architecture import ModelArchitecture, UNetArchitecture, VaeArchitecture
from modules.families.base import ModelTraits
from modules.families.registry import find_family
from modules.loading.convert.vae import old_vae_modules
from modules.loading.mapped import StoredTensor
from modules.loading.single_file import IGNORED_TEXT
from modules.loading.source import ComponentSource, ModelSource
from modules.loading.text_config import read_json, read_text_config
from modules.loading.weights_file import open_weights

INDEX = "model_index.json"

_NETWORK_FILES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors",
                  "diffusion_pytorch_model.bin", "diffusion_pytorch_model.fp16.bin")  # fmt: skip
_TEXT_FILES = ("model.safetensors", "model.fp16.safetensors", "pytorch_model.bin", "pytorch_model.fp16.bin")

_Width = Annotated[int, Field(ge=1, le=16384)]
_Small = Annotated[int, Field(ge=1, le=64)]
_Widths = Annotated[tuple[_Width, ...], Field(min_length=1, max_length=8)]


class _UNetConfig(BaseModel):
    in_channels: _Small = 4
    out_channels: _Small = 4
    block_out_channels: _Widths
    layers_per_block: _Small = 2
    down_block_types: tuple[Literal["CrossAttnDownBlock2D", "DownBlock2D"], ...]
    transformer_layers_per_block: _Small = 1
    attention_head_dim: _Width | _Widths = 8
    cross_attention_dim: _Width
    use_linear_projection: bool = False
    # Variants that are not built here; a folder with one of them is refused.
    act_fn: Literal["silu"] = "silu"
    addition_embed_type: None = None
    class_embed_type: None = None
    dual_cross_attention: Literal[False] = False
    norm_num_groups: Literal[32] = 32
    only_cross_attention: Literal[False] = False
    resnet_time_scale_shift: Literal["default"] = "default"

    @model_validator(mode="after")
    def _levels_agree(self) -> Self:
        levels = len(self.block_out_channels)
        if len(self.down_block_types) != levels or len(self._heads()) != levels:
            raise ValueError("block_out_channels, down_block_types and attention_head_dim differ in length")
        return self

    def _heads(self) -> tuple[int, ...]:
        # In spite of its name this is the number of heads, one for each level or one for all.
        heads = self.attention_head_dim
        return (heads,) * len(self.block_out_channels) if isinstance(heads, int) else heads

    def architecture(self) -> UNetArchitecture:
        first = self.block_out_channels[0]
        return UNetArchitecture(
            in_channels=self.in_channels,
            out_channels=self.out_channels,
            model_channels=first,
            channel_mult=tuple(width // first for width in self.block_out_channels),
            num_res_blocks=self.layers_per_block,
            attention=tuple(kind == "CrossAttnDownBlock2D" for kind in self.down_block_types),
            transformer_depth=self.transformer_layers_per_block,
            heads=self._heads(),
            context_dim=self.cross_attention_dim,
            linear_projection=self.use_linear_projection,
        )


class _VaeConfig(BaseModel):
    block_out_channels: _Widths
    layers_per_block: _Small = 1
    latent_channels: _Small = 4
    scaling_factor: Annotated[float, Field(gt=0)] = 0.18215

    def architecture(self) -> VaeArchitecture:
        first = self.block_out_channels[0]
        return VaeArchitecture(
            channels=first,
            channel_mult=tuple(width // first for width in self.block_out_channels),
            num_res_blocks=self.layers_per_block,
            latent_channels=self.latent_channels,
        )


class _SchedulerConfig(BaseModel):
    beta_start: Annotated[float, Field(gt=0, lt=1)] = 0.00085
    beta_end: Annotated[float, Field(gt=0, lt=1)] = 0.012
    num_train_timesteps: Annotated[int, Field(ge=2, le=100_000)] = 1000
    prediction_type: Literal["epsilon", "v_prediction"] = "epsilon"


_Config = TypeVar("_Config", bound=BaseModel)


def open_diffusers_folder(path: Path) -> ModelSource:
    """Open the checkpoint in the folder `path`.

    Raises:
        ModelFileError: it cannot be used; the message says why.
    """
    if not (path / INDEX).is_file():
        raise ModelFileError(f"The folder “{path.name}” is no checkpoint: it has no {INDEX}.")
    parts = read_json(path / INDEX)
    family = find_family(_traits(path, parts), source=path.name)
    unet = _read_config(path / "unet" / "config.json", _UNetConfig)
    vae = _read_config(path / "vae" / "config.json", _VaeConfig)
    scheduler = _read_config(path / "scheduler" / "scheduler_config.json", _SchedulerConfig)
    tokenizer = path / "tokenizer"
    return ModelSource(
        family=family,
        architecture=ModelArchitecture(
            unet=unet.architecture(),
            vae=vae.architecture(),
            text=read_text_config(path / "text_encoder"),
            tokenizer=tokenizer if (tokenizer / "vocab.json").is_file() else None,
            prediction="v" if scheduler.prediction_type == "v_prediction" else "eps",
            scale_factor=vae.scaling_factor,
            linear_start=scheduler.beta_start,
            linear_end=scheduler.beta_end,
            timesteps=scheduler.num_train_timesteps,
        ),
        unet=ComponentSource(
            file=path.name, part="network", tensors=_open_part(path / "unet", _NETWORK_FILES), modules={}
        ),
        vae=_vae_source(path),
        text=_text_source(path),
    )


def _traits(path: Path, parts: dict[str, Any]) -> ModelTraits:
    if "unet" not in parts:
        return ModelTraits(in_channels=0, text_encoders=frozenset(), unet=False)
    in_channels = read_json(path / "unet" / "config.json").get("in_channels", 4)
    if "text_encoder_2" in parts:
        return ModelTraits(in_channels=in_channels, text_encoders=frozenset({"clip", "openclip"}))
    # diffusers keeps both in the same class; OpenCLIP's was trained with the exact GELU.
    kind = "clip" if read_text_config(path / "text_encoder").hidden_act == "quick_gelu" else "openclip"
    return ModelTraits(in_channels=in_channels, text_encoders=frozenset({kind}))


def _vae_source(path: Path) -> ComponentSource:
    tensors = _open_part(path / "vae", _NETWORK_FILES)
    modules = old_vae_modules() if any(name.endswith(".query.weight") for name in tensors) else {}
    return ComponentSource(file=path.name, part="VAE", tensors=tensors, modules=modules)


def _text_source(path: Path) -> ComponentSource:
    tensors = _open_part(path / "text_encoder", _TEXT_FILES)
    plain = {name.removeprefix("text_model."): tensor for name, tensor in tensors.items()}
    return ComponentSource(file=path.name, part="text encoder", tensors=plain, modules={}, ignored=IGNORED_TEXT)


def _open_part(folder: Path, names: tuple[str, ...]) -> dict[str, StoredTensor]:
    for name in names:
        if (folder / name).is_file():
            return open_weights(folder / name)
    raise ModelFileError(
        f"The folder “{folder.parent.name}” is incomplete: {folder.name} has none of {', '.join(names)}."
    )


def _read_config(path: Path, kind: type[_Config]) -> _Config:
    try:
        return kind.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ModelFileError(f"{path} describes a model that cannot be loaded: {place}: {first['msg']}.") from error
