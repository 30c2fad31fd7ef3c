"""Reads the sizes of a CLIP text encoder from the `config.json` of transformers."""

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
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise ModelFileError(
            f"{path} does not describe a CLIP text encoder: {first['loc'][0]}: {first['msg']}."
        ) from error
    return ClipTextArchitecture(**config.model_dump())
