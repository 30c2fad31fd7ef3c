"""What the index of model files remembers of one of them."""

from typing import NamedTuple


class ModelRow(NamedTuple):
    """What was read of a file, and the state in which it was then.

    Attributes:
        size: bytes.
        mtime_ns: time of the last change, ns since the epoch.
        inode: number of the file in its file system, 0 where there are none.
        head: sha256 of the bytes that were read of it, "" when unknown.
        facts_version: of the code that made `facts`.
        facts: JSON, what the file says about itself.
        beside_state: of the files beside it that say something about it.
        beside: JSON, what those say.
        alias: what the file calls itself, "" if it does not say.
        search_text: what a search looks through.
        tensors_sha256: 64 hex digits of what follows its safetensors header, "" while unknown.
    """

    size: int
    mtime_ns: int
    inode: int
    head: str
    facts_version: int
    facts: str
    beside_state: str
    beside: str
    alias: str
    search_text: str
    tensors_sha256: str = ""
