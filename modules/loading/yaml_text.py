"""What a checkpoint's yaml says about its text encoders; LDM has one, sgm a list of all that conditions the network."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from modules.core.errors import ModelFileError
from modules.core.paths import CONFIGS
from modules.families.architecture import ClipTextArchitecture
from modules.loading.text_config import read_open_clip_config, read_text_config

CLIP_L = "openai/clip-vit-large-patch14"
SHIPPED_TEXT_ENCODERS = {CLIP_L: CONFIGS / "sd1" / "clip-vit-large-patch14"}
"""Text encoders that configurations name by their place on the Hugging Face hub, whose sizes ship with the project."""

SHIPPED_OPEN_CLIP = CONFIGS / "open_clip"
"""Where the sizes of those lie that configurations name by open_clip's names."""

TEXT_KEY = "txt"


class TextParams(BaseModel):
    """`params` of a text encoder; the defaults are those of the classes that LDM and sgm name."""

    version: str = CLIP_L
    arch: str = "ViT-H-14"
    layer: Literal["last", "hidden", "penultimate"] = "last"
    layer_idx: Annotated[int, Field(ge=0, le=256)] | None = None


class TextSection(BaseModel):
    """A text encoder: `cond_stage_config` of LDM, or one entry of sgm's `emb_models`."""

    input_key: str = TEXT_KEY
    target: str = ""
    params: TextParams = TextParams()

    @property
    def kind(self) -> Literal["clip", "openclip"]:
        """Whose text encoder it is."""
        return "openclip" if "OpenCLIP" in self.target.rpartition(".")[2] else "clip"


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedText:
    """A text encoder that a yaml describes.

    Attributes:
        architecture: its sizes, and which layer is used.
        tokenizer: folder with its vocabulary, None for the one that comes with the project.
    """

    architecture: ClipTextArchitecture
    tokenizer: Path | None


def describe_text(section: TextSection, path: Path) -> DescribedText:
    """Return what `section` of the yaml at `path` says, with the sizes from the file that it names.

    Raises:
        ModelFileError: it names a text encoder that is not here (nothing is downloaded), or a layer that it lacks.
    """
    params = section.params
    if section.kind == "openclip":
        architecture, tokenizer = read_open_clip_config(_open_clip_file(path, params.arch)), None
    else:
        folder = _clip_folder(path, params.version)
        architecture, tokenizer = read_text_config(folder), folder if (folder / "vocab.json").is_file() else None
    layer, layers = _layer(params, architecture.num_hidden_layers), architecture.num_hidden_layers
    if not 1 <= layer <= layers:
        raise ModelFileError(f"“{path.name}” asks for a layer that its text encoder does not have: there are {layers}.")
    return DescribedText(architecture=replace(architecture, layer=layer), tokenizer=tokenizer)


def _layer(params: TextParams, layers: int) -> int:
    """The layer whose output is used, counted from the end; `layer_idx` counts from the embeddings, which are 0."""
    if params.layer == "hidden" and params.layer_idx is not None:
        return layers + 1 - params.layer_idx
    return 2 if params.layer == "penultimate" else 1


def _clip_folder(path: Path, version: str) -> Path:
    """The folder beside the yaml that `version` names, or the one that ships with the project for a public name."""
    beside = _beside(path, version)
    if beside is not None and (beside / "config.json").is_file():
        return beside
    if version in SHIPPED_TEXT_ENCODERS:
        return SHIPPED_TEXT_ENCODERS[version]
    raise ModelFileError(
        f"“{path.name}” names the text encoder “{version}”, but there is no such folder with a config.json below "
        f"{path.parent}. Put it there; nothing is downloaded."
    )


def _open_clip_file(path: Path, arch: str) -> Path:
    """The file beside the yaml that `arch` names, or the one that ships with the project for a public name."""
    beside = _beside(path, f"{arch}.json")
    if beside is not None and beside.is_file():
        return beside
    shipped = {file.stem: file for file in SHIPPED_OPEN_CLIP.glob("*.json")}
    if arch in shipped:
        return shipped[arch]
    raise ModelFileError(
        f"“{path.name}” names the text encoder “{arch}” of open_clip, but there is no {arch}.json below {path.parent}. "
        "Put it there; nothing is downloaded."
    )


def _beside(path: Path, name: str) -> Path | None:
    """What `name` means from the yaml's folder, None if that leads out of it."""
    found, root = (path.parent / name).resolve(), path.parent.resolve()
    return found if found.is_relative_to(root) else None
