"""The sha256 of a file, computed only if it is not known."""

from pathlib import Path

from modules.core.cancellation import CancelToken
from modules.library.file_state import file_state
from modules.library.hashing import sha256_of_file
from modules.storage.hashes import HashCache


def remembered_sha256(path: Path, hashes: HashCache, token: CancelToken | None = None) -> str:
    """Return the sha256 of the file at `path`, 64 hex digits, and remember it in `hashes`.

    Raises:
        ModelFileError: the file is missing or cannot be read.
        Interrupted: `token` was interrupted meanwhile.
    """
    known = hashes.get(path)
    if known is not None:
        return known
    before = file_state(path)
    sha256 = sha256_of_file(path, token)
    if before == file_state(path):  # else it is still being copied, and its hash means nothing later
        hashes.put(path, sha256)
    return sha256
