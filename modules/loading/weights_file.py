"""Opens a file of weights: what it is decides its content, not its ending."""

import logging
from pathlib import Path

from modules.core.errors import ModelFileError
from modules.loading.mapped import MappedFile, StoredTensor
from modules.loading.safetensors_file import looks_like_safetensors, read_safetensors
from modules.loading.torch_file import FileContent, looks_like_torch, read_torch_content

log = logging.getLogger(__name__)

_OTHER_CONTENT = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"RIFF", "a WebP picture or a sound"),
    (b"<", "a web page: its download went wrong"),
    (b"version https://git-lfs", "a Git LFS pointer: run “git lfs pull” to get the file itself"),
    (b"GGUF", "a GGUF model, which is not supported yet"),
    (b"\x1f\x8b", "a gzip archive: unpack it"),
    (b"7z\xbc\xaf", "a 7-Zip archive: unpack it"),
    (b"Rar!", "a RAR archive: unpack it"),
)


def open_weights(path: Path) -> dict[str, StoredTensor]:
    """Return the tensors of `open_content`."""
    return open_content(path).tensors


def open_content(path: Path) -> FileContent:
    """Return what a `.safetensors` or `torch.save` file holds. No numbers of tensors are read yet.

    Raises:
        UnsafeFileError: a pickle that refers to more than data; nothing of it was run.
        ModelFileError: the file is missing, damaged, or of another kind.
    """
    file = MappedFile(path)
    start = file.bytes[:64]
    is_safetensors = looks_like_safetensors(start)
    if is_safetensors != (path.suffix.lower() == ".safetensors") and (is_safetensors or looks_like_torch(start)):
        kind, ending = ("safetensors", ".safetensors") if is_safetensors else ("PyTorch", ".ckpt")
        log.warning(
            "“%s” is a %s file in spite of its ending. It is loaded; its right ending is %s.", path.name, kind, ending
        )
    if is_safetensors:
        return FileContent(tensors=read_safetensors(file), values={})
    if looks_like_torch(start):
        return read_torch_content(file)
    kind = next((kind for magic, kind in _OTHER_CONTENT if start.startswith(magic)), "no model, or a damaged one")
    raise ModelFileError(f"“{path.name}” is {kind}. Models are .safetensors, .ckpt, .pt or .bin files.")
