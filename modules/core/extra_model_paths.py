"""ComfyUI's `extra_model_paths.yaml`: further model folders, often those of another program.

Source: `extra_model_paths.yaml.example` of https://github.com/comfyanonymous/ComfyUI and what its documentation says
of it: a section for each installation, in it `base_path` and the folders of each kind, one a line.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import yaml

log = logging.getLogger(__name__)

MAX_BYTES = 2**20  # the example that ComfyUI ships has 1 KiB
KINDS = ("checkpoints", "loras", "vae", "embeddings", "hypernetworks", "upscale_models")
"""The keys that mean something here; others, such as `clip` and `is_default`, are passed over."""

_Entries = list[tuple[yaml.Node, yaml.Node]]


def read_extra_model_paths(file: Path) -> Mapping[str, tuple[Path, ...]]:
    """Return the folders that `file` names, absolute, by their key in `KINDS`; nothing if there is no such file.

    The yaml is parsed and nothing is built of it: building follows merge keys, which can be made to take for ever.
    What cannot be used is left out, and the log says so with the file and the line.
    """
    found: dict[str, dict[Path, None]] = {kind: {} for kind in KINDS}
    for kind, folder in _folders(file):
        found[kind][folder] = None
    return {kind: tuple(folders) for kind, folders in found.items()}


def _folders(file: Path) -> Iterator[tuple[str, Path]]:
    root = _parse(file)
    for name, section in _entries(file, root, "the file"):
        entries = list(_entries(file, section, f"“{name}”"))
        base = next((node for key, node in entries if key == "base_path"), None)
        start = file.parent
        for _, folder in _lines(file, base, start) if base else ():
            start = folder
        for key, node in entries:
            if key not in KINDS:
                continue
            for line, folder in _lines(file, node, start):
                if os.path.isdir(folder):  # noqa: PTH112  # pathlib raises for folders that may not be looked at
                    yield key, folder
                else:
                    _warn(file, line, f"there is no folder {folder}. Correct it, or take it out.")


def _parse(file: Path) -> yaml.Node | None:
    try:
        with file.open("rb") as stream:
            text = stream.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            log.warning("%s is left out: it has more than %s bytes, so it is no list of folders.", file, MAX_BYTES)
            return None
        return yaml.SafeLoader(text).get_single_node()
    except FileNotFoundError:
        return None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        _warn(file, line, f"{error.problem}. The whole file is left out until this is corrected.")
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        log.warning("%s cannot be read and is left out: %s", file, str(error) or type(error).__name__)
    return None


def _entries(file: Path, node: yaml.Node | None, what: str) -> Iterator[tuple[str, yaml.Node]]:
    """Yield the keys of a mapping with their values; an empty one has none."""
    if node is None or _is_empty(node):
        return
    if not isinstance(node, yaml.MappingNode):
        _warn(file, node.start_mark.line + 1, f"{what} holds no “key: value” lines. It is left out.")
        return
    for key, value in cast("_Entries", node.value):
        if isinstance(key, yaml.ScalarNode):
            yield str(key.value), value


def _lines(file: Path, node: yaml.Node, start: Path) -> Iterator[tuple[int, Path]]:
    """Yield the folders in a value, one a line, with the line of the file where the value begins."""
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.ScalarNode):
        _warn(file, line, "a folder is written as text, several as text of several lines. It is left out.")
        return
    for text in str(node.value).splitlines() if not _is_empty(node) else ():
        if not text.strip():
            continue
        try:
            yield line, (start / Path(os.path.expandvars(text.strip())).expanduser()).resolve()
        except (OSError, ValueError, RuntimeError) as error:  # a null character, a loop of links, no such user
            _warn(file, line, f"{text.strip()!r} is no folder's name: {error}. It is left out.")


def _is_empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _warn(file: Path, line: int, text: str) -> None:
    log.warning("%s, line %s: %s", file, line, text)
