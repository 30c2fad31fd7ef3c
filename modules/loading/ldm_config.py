"""Reads the yaml that describes a checkpoint in the format of CompVis' latent-diffusion or of Stability AI's sgm.

Such a file names Python classes (`target`). They are never imported: only the numbers and the names are read.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, cast

import yaml
from pydantic import BaseModel, Field, ValidationError

from modules.core.errors import ModelFileError
from modules.families.architecture import ModelArchitecture, PredictionKind
from modules.loading.yaml_networks import AutoencoderSection, UNetSection
from modules.loading.yaml_text import TEXT_KEY, TextSection, describe_text

MAX_YAML_BYTES = 2**20

_Beta = Annotated[float, Field(gt=0, lt=1)]
_Timesteps = Annotated[int, Field(ge=2, le=100_000)]


class _Loader(yaml.SafeLoader):
    """Reads plain data, without merge keys ("<<"): nested in each other, a few lines of them are endless work."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Leave a merge key where it is, for which there is no constructor: the file cannot be read."""


class _Ldm(BaseModel):
    linear_start: _Beta = 0.00085
    linear_end: _Beta = 0.0120
    timesteps: _Timesteps = 1000
    scale_factor: Annotated[float, Field(gt=0)] = 0.18215
    parameterization: PredictionKind = "eps"
    unet_config: UNetSection
    first_stage_config: AutoencoderSection
    cond_stage_config: TextSection

    def architecture(self, path: Path) -> ModelArchitecture:
        text = describe_text(self.cond_stage_config, path)
        return ModelArchitecture(
            unet=self.unet_config.architecture(),
            vae=self.first_stage_config.architecture(),
            texts=(text.architecture,),
            tokenizer=text.tokenizer,
            prediction=self.parameterization,
            scale_factor=self.scale_factor,
            linear_start=self.linear_start,
            linear_end=self.linear_end,
            timesteps=self.timesteps,
        )


class _Discretization(BaseModel):
    linear_start: _Beta = 0.00085
    linear_end: _Beta = 0.0120
    num_timesteps: _Timesteps = 1000


class _DiscretizationSection(BaseModel):
    target: Literal["sgm.modules.diffusionmodules.discretizer.LegacyDDPMDiscretization"]
    params: _Discretization = _Discretization()


class _ScalingSection(BaseModel):
    target: Literal[
        "sgm.modules.diffusionmodules.denoiser_scaling.EpsScaling",
        "sgm.modules.diffusionmodules.denoiser_scaling.VScaling",
    ]


class _Denoiser(BaseModel):
    scaling_config: _ScalingSection
    discretization_config: _DiscretizationSection


class _DenoiserSection(BaseModel):
    params: _Denoiser


class _Conditioner(BaseModel):
    emb_models: Annotated[list[TextSection], Field(max_length=32)]


class _ConditionerSection(BaseModel):
    params: _Conditioner


class _Sgm(BaseModel):
    scale_factor: Annotated[float, Field(gt=0)] = 1.0
    denoiser_config: _DenoiserSection
    network_config: UNetSection
    conditioner_config: _ConditionerSection
    first_stage_config: AutoencoderSection

    def architecture(self, path: Path) -> ModelArchitecture:
        conditioners = self.conditioner_config.params.emb_models
        texts = [describe_text(section, path) for section in conditioners if section.input_key == TEXT_KEY]
        denoiser = self.denoiser_config.params
        schedule = denoiser.discretization_config.params
        return ModelArchitecture(
            unet=self.network_config.architecture(),
            vae=self.first_stage_config.architecture(),
            texts=tuple(text.architecture for text in texts),
            tokenizer=next((text.tokenizer for text in texts if text.tokenizer is not None), None),
            prediction="v" if denoiser.scaling_config.target.endswith(".VScaling") else "eps",
            scale_factor=self.scale_factor,
            linear_start=schedule.linear_start,
            linear_end=schedule.linear_end,
            timesteps=schedule.num_timesteps,
        )


class _LdmModel(BaseModel):
    params: _Ldm


class _SgmModel(BaseModel):
    params: _Sgm


class _LdmFile(BaseModel):
    model: _LdmModel


class _SgmFile(BaseModel):
    model: _SgmModel


def read_ldm_config(path: Path) -> ModelArchitecture:
    """Return what the yaml file at `path` says about its checkpoint.

    Raises:
        ModelFileError: it is missing, is no such file, or names a text encoder that is not here; nothing is downloaded.
    """
    content = _parse(path)
    try:
        model = (_SgmFile if _is_sgm(content) else _LdmFile).model_validate(content).model.params
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ModelFileError(
            f"“{path.name}” does not describe a model that can be loaded: {place}: {first['msg']}."
        ) from error
    return model.architecture(path)


def _is_sgm(content: object) -> bool:
    """Whether the networks are where sgm has them."""
    for key in ("model", "params"):
        content = cast("dict[str, object]", content).get(key) if isinstance(content, dict) else None
    return isinstance(content, dict) and "network_config" in content


def _parse(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_YAML_BYTES:
            raise ModelFileError(f"“{path.name}” is too large for a model's configuration.")
        return _Loader(path.read_text(encoding="utf-8")).get_single_data()
    except FileNotFoundError as error:
        raise ModelFileError(f"“{path.name}” is no longer in {path.parent}. Refresh the checkpoint list.") from error
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise ModelFileError(f"“{path.name}” cannot be read as yaml. Correct it or remove it.") from error
