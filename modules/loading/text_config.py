"""Reads the sizes of a text encoder from the `config.json` of transformers or the configuration of open_clip."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, Field, ValidationError

from modules.core.errors import ModelFileError
from modules.families.architecture import ClipTextArchitecture

MAX_JSON_BYTES = 2**20

_Width = Annotated[int, Field(ge=1, le=16384)]


class _TextConfig(BaseModel):
    """Missing values are those of transformers' `CLIPTextConfig`."""

    vocab_size: Annotated[int, Field(ge=1, le=1_000_000)] = 49408
    hidden_size: _Width = 512
    intermediate_size: _Width = 2048
    num_hidden_layers: Annotated[int, Field(ge=1, le=256)] = 12
    num_attention_heads: _Width = 8
    max_position_embeddings: _Width = 77
    hidden_act: Literal["quick_gelu", "gelu"] = "quick_gelu"
    layer_norm_eps: Annotated[float, Field(gt=0)] = 1e-5
    projection_dim: _Width = 512


class _OpenClipText(BaseModel):
    """Missing values are those of open_clip's `CLIPTextCfg`."""

    context_length: _Width = 77
    vocab_size: Annotated[int, Field(ge=1, le=1_000_000)] = 49408
    width: _Width = 512
    heads: _Width = 8
    layers: Annotated[int, Field(ge=1, le=256)] = 12
    mlp_ratio: Annotated[float, Field(gt=0, le=64)] = 4.0


class _OpenClipConfig(BaseModel):
    embed_dim: _Width
    text_cfg: _OpenClipText
    quick_gelu: bool = False

    def architecture(self) -> ClipTextArchitecture:
        text = self.text_cfg
        return ClipTextArchitecture(
            vocab_size=text.vocab_size,
            hidden_size=text.width,
            intermediate_size=int(text.width * text.mlp_ratio),
            num_hidden_layers=text.layers,
            num_attention_heads=text.heads,
            max_position_embeddings=text.context_length,
            hidden_act="quick_gelu" if self.quick_gelu else "gelu",
            projection_dim=self.embed_dim,
        )


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in the small file at `path`.

    Raises:
        ModelFileError: it is missing, too large or not a JSON object.
    """
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise ModelFileError(f"{path} is too large for a model's configuration.")
        content: Any = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFileError(f"{path} is missing or is not valid JSON.") from error
    if not isinstance(content, dict):
        raise ModelFileError(f"{path} is not a model's configuration.")
    return cast("dict[str, Any]", content)


def read_text_config(folder: Path) -> ClipTextArchitecture:
    """Return the sizes that `folder/config.json` states.

    Raises:
        ModelFileError: it is missing or is not the configuration of a CLIP text encoder.
    """
    path = folder / "config.json"
    content = read_json(path)
    try:
        # The configuration of a whole CLIP model has that of its text half inside.
        config = _TextConfig.model_validate(content.get("text_config") or content)
    except ValidationError as error:
        raise _no_text_encoder(path, error) from error
    return ClipTextArchitecture(**config.model_dump())


def read_open_clip_config(path: Path) -> ClipTextArchitecture:
    """Return the sizes of the text encoder that a configuration file of open_clip states.

    Raises:
        ModelFileError: it is missing or is no such file.
    """
    try:
        return _OpenClipConfig.model_validate(read_json(path)).architecture()
    except ValidationError as error:
        raise _no_text_encoder(path, error) from error


def _no_text_encoder(path: Path, error: ValidationError) -> ModelFileError:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return ModelFileError(f"{path} does not describe a CLIP text encoder: {place}: {first['msg']}.")
