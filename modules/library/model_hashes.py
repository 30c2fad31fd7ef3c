"""The hashes by which A1111's infotexts and civitai name a model."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from modules.core.cancellation import CancelToken
from modules.core.errors import ModelFileError
from modules.library.hashing import BLOCK
from modules.library.safetensors_header import LENGTH_BYTES

AUTOV2_DIGITS, NETWORK_DIGITS = 10, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelHashes:
    """Hashes of one file as hex digits, "" while unknown.

    Attributes:
        sha256: of the whole file; see `hashing.folder_sha256` for a diffusers folder.
        tensors: sha256 of what follows the header of a LoRA's safetensors file, as its trainer wrote it into the header
            or as it was computed: the same for files whose texts alone differ.
    """

    sha256: str = ""
    tensors: str = ""

    @property
    def autov2(self) -> str:
        """What civitai calls AutoV2, and A1111 the short hash of a checkpoint or VAE."""
        return self.sha256[:AUTOV2_DIGITS]

    @property
    def network(self) -> str:
        """What stands for a LoRA in the infotext's "Lora hashes"."""
        return (self.tensors or self.sha256)[:NETWORK_DIGITS]


def hash_safetensors(path: Path, token: CancelToken | None = None) -> ModelHashes:
    """Compute both hashes of the file at `path` while it is read once.

    As in A1111 nothing is checked: of a file that is shorter than its header, nothing follows the header.

    Raises:
        ModelFileError: the file is missing or cannot be read.
        Interrupted: `token` was interrupted meanwhile.
    """
    whole, tensors = hashlib.sha256(), hashlib.sha256()
    view = memoryview(bytearray(BLOCK))
    try:
        with path.open("rb", buffering=0) as file:
            start = file.read(LENGTH_BYTES)
            whole.update(start)
            header_left = int.from_bytes(start, "little")
            while count := file.readinto(view):
                if token is not None:
                    token.check_interrupted()
                whole.update(view[:count])
                tensors.update(view[min(header_left, count) : count])
                header_left = max(header_left - count, 0)
    except OSError as error:
        raise ModelFileError(f"Cannot read {path}: {error.strerror}. Refresh the list of models.") from error
    return ModelHashes(sha256=whole.hexdigest(), tensors=tensors.hexdigest())
