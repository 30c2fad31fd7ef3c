import hashlib
from pathlib import Path
from typing import Any

import pytest

from modules.core.cancellation import CancelToken
from modules.core.errors import Interrupted, ModelFileError
from modules.library.hashing import BLOCK
from modules.library.model_hashes import ModelHashes, hash_safetensors
from tests.library.recordings import recorded


@pytest.mark.parametrize("case", recorded("tensor_hashes")["files"], ids=lambda case: case["name"])
def test_as_a1111(case: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(bytes.fromhex(case["file"]))
    hashes = hash_safetensors(path)
    assert hashes == ModelHashes(sha256=case["whole_file_sha256"], tensors=case["hash"])
    assert hashes.network == case["network_shorthash_12"]


@pytest.mark.parametrize("header", [2, BLOCK - 8, BLOCK, BLOCK + 5, 2 * BLOCK + 1])
def test_headers_that_end_anywhere_between_the_blocks(header: int, tmp_path: Path) -> None:
    path, weights = tmp_path / "x.safetensors", b"weights" * BLOCK
    content = header.to_bytes(8, "little") + b"{" * header + weights
    path.write_bytes(content)
    expected = ModelHashes(sha256=hashlib.sha256(content).hexdigest(), tensors=hashlib.sha256(weights).hexdigest())
    assert hash_safetensors(path) == expected


def test_short_forms() -> None:
    hashes = ModelHashes(sha256="0123456789abcdef", tensors="fedcba9876543210")
    assert (hashes.autov2, hashes.network) == ("0123456789", "fedcba987654")
    assert ModelHashes(sha256="0123456789abcdef").network == "0123456789ab"
    assert ModelHashes().network == ""


def test_it_can_be_stopped_and_says_what_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(bytes(100))
    token = CancelToken()
    token.interrupt()
    with pytest.raises(Interrupted):
        hash_safetensors(path, token)
    with pytest.raises(ModelFileError, match=r"Cannot read .*gone\.safetensors"):
        hash_safetensors(tmp_path / "gone.safetensors")
