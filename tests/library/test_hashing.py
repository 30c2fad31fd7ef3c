import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

from modules.core.cancellation import CancelToken
from modules.core.errors import Interrupted, ModelFileError
from modules.library.hashing import BLOCK, folder_sha256, legacy_hash, sha256_of_file, weight_files
from tests.library.recordings import recorded


def recorded_bytes(size: int) -> bytes:
    """Return the content of the files that were recorded."""
    digests = (hashlib.sha256(str(number).encode()).digest() for number in range(size // 32 + 1))
    return b"".join(digests)[:size]


@pytest.mark.parametrize("case", recorded("checkpoint_names")["hashes"], ids=lambda case: case["size"])
def test_hashes_as_recorded(case: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    path.write_bytes(recorded_bytes(case["size"]))
    assert sha256_of_file(path) == case["sha256"]
    assert legacy_hash(path) == case["legacy_hash_8"]


def test_a_file_of_several_blocks(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    path.write_bytes(b"abc" * BLOCK)
    assert sha256_of_file(path, CancelToken()) == hashlib.sha256(b"abc" * BLOCK).hexdigest()


def test_stops_when_interrupted(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    path.write_bytes(b"abc")
    token = CancelToken()
    token.interrupt()
    with pytest.raises(Interrupted):
        sha256_of_file(path, token)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"gone\.ckpt: No such file"):
        sha256_of_file(tmp_path / "gone.ckpt")
    assert legacy_hash(tmp_path / "gone.ckpt") is None


def test_the_hash_of_a_folder_is_what_the_shell_computes(tmp_path: Path) -> None:
    for name in ("vae/b.safetensors", "unet/a.BIN", "unet/.hidden.bin", ".cache/c.bin", "model_index.json", "z.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    files = weight_files(tmp_path)
    assert files == ["unet/a.BIN", "vae/b.safetensors"]
    shell = subprocess.run(
        "sha256sum unet/a.BIN vae/b.safetensors | sha256sum", shell=True, cwd=tmp_path, check=True, capture_output=True
    )
    ours = folder_sha256({name: sha256_of_file(tmp_path / name) for name in reversed(files)})
    assert ours == shell.stdout.decode().split()[0]
