import logging
from pathlib import Path

import pytest

from modules.core.cancellation import CancelToken
from modules.core.errors import ModelFileError
from modules.core.flags import Flags
from modules.loading.cache import Keep, ModelCache
from tests.loading.stub_models import CPU, FLOAT, checkpoint, get
from tests.tiny_checkpoint import write_tiny_sd1


@pytest.fixture
def cache(tmp_path: Path) -> ModelCache:
    return ModelCache(CPU, FLOAT, Flags(data_dir=tmp_path, xformers=True))


def test_a_checkpoint_is_read_once_and_again_when_it_changed(tmp_path: Path, cache: ModelCache) -> None:
    file = checkpoint(write_tiny_sd1(tmp_path), config=True)
    fractions: list[float] = []
    first = cache.get(file, Keep(), fractions.append, CancelToken())
    assert fractions[-1] == pytest.approx(1)
    fractions.clear()
    assert cache.get(file, Keep(), fractions.append, CancelToken()) is first
    assert not fractions
    file.path.touch()
    assert cache.get(file, Keep(), fractions.append, CancelToken()) is not first


def test_the_wish_for_xformers_is_answered(tmp_path: Path, cache: ModelCache, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        get(cache, checkpoint(write_tiny_sd1(tmp_path), config=True))
    assert "--xformers" in caplog.text


def test_a_missing_file_fails_in_the_usual_way(tmp_path: Path) -> None:
    cache = ModelCache(CPU, FLOAT, Flags(data_dir=tmp_path))
    get(cache, checkpoint(write_tiny_sd1(tmp_path), config=True))
    with pytest.raises(ModelFileError, match=r"gone\.safetensors"):
        get(cache, checkpoint(tmp_path / "gone.safetensors"), Keep(limit=2))
