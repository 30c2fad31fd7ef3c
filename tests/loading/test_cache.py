import logging
from pathlib import Path

import pytest
import torch

from modules.core.cancellation import CancelToken
from modules.core.errors import ModelFileError
from modules.core.flags import Flags
from modules.hardware.dtype import Precision
from modules.library.checkpoints import CheckpointFile
from modules.loading.cache import ModelCache
from tests.tiny_checkpoint import write_tiny_sd1

FLOAT = Precision(network=torch.float32, vae=torch.float32, text=torch.float32)


@pytest.fixture
def cache(tmp_path: Path) -> ModelCache:
    return ModelCache(torch.device("cpu"), FLOAT, Flags(data_dir=tmp_path, xformers=True))


def checkpoint(path: Path) -> CheckpointFile:
    return CheckpointFile(
        path=path, name=path.name, model_name=path.stem, sha256=None, config=path.with_suffix(".yaml")
    )


def test_a_checkpoint_is_read_once_and_again_when_it_changed(tmp_path: Path, cache: ModelCache) -> None:
    file = checkpoint(write_tiny_sd1(tmp_path))
    fractions: list[float] = []
    first = cache.get(file, fractions.append, CancelToken())
    assert fractions[-1] == pytest.approx(1)
    fractions.clear()
    assert cache.get(file, fractions.append, CancelToken()) is first
    assert not fractions
    file.path.touch()
    assert cache.get(file, fractions.append, CancelToken()) is not first


def test_a_changed_yaml_is_read_again(tmp_path: Path, cache: ModelCache) -> None:
    file = checkpoint(write_tiny_sd1(tmp_path))
    first = cache.get(file, lambda _: None, CancelToken())
    assert file.config
    file.config.touch()
    assert cache.get(file, lambda _: None, CancelToken()) is not first


def test_a_loaded_checkpoint_outlives_its_file(tmp_path: Path, cache: ModelCache) -> None:
    file = checkpoint(write_tiny_sd1(tmp_path))
    first = cache.get(file, lambda _: None, CancelToken())
    file.path.unlink()
    assert cache.get(file, lambda _: None, CancelToken()) is first


def test_after_a_failure_the_next_checkpoint_loads(tmp_path: Path, cache: ModelCache) -> None:
    good = checkpoint(write_tiny_sd1(tmp_path))
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"nothing")
    cache.get(good, lambda _: None, CancelToken())
    with pytest.raises(ModelFileError, match=r"bad\.safetensors"):
        cache.get(checkpoint(bad), lambda _: None, CancelToken())
    assert cache.get(good, lambda _: None, CancelToken())


def test_the_wish_for_xformers_is_answered(tmp_path: Path, cache: ModelCache, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        cache.get(checkpoint(write_tiny_sd1(tmp_path)), lambda _: None, CancelToken())
    assert "--xformers" in caplog.text
