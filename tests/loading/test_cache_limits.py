"""Which checkpoints stay in memory, and how often each of them is read."""

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch

from modules.core.cancellation import CancelToken
from modules.core.errors import ModelFileError, OutOfMemoryError
from modules.core.flags import Flags
from modules.families.base import LoadedModel
from modules.library.checkpoints import CheckpointFile
from modules.loading import cache as cache_module
from modules.loading.cache import Keep, ModelCache
from modules.loading.options import LoadOptions
from tests.loading.stub_models import CPU, FLOAT, Loader, checkpoint, four_files, get, get_all, together


@pytest.fixture(autouse=True)
def loader(monkeypatch: pytest.MonkeyPatch) -> Loader:
    return Loader.installed(monkeypatch)


@pytest.fixture
def cache(tmp_path: Path) -> ModelCache:
    return ModelCache(CPU, FLOAT, Flags(data_dir=tmp_path))


@pytest.fixture
def files(tmp_path: Path) -> list[CheckpointFile]:
    return four_files(tmp_path)


@pytest.mark.parametrize(
    ("wanted", "limit", "read"),
    [
        ("aa", 1, "a"),
        ("aba", 1, "aba"),
        ("abba", 2, "ab"),
        ("abca", 2, "abca"),
        ("abacab", 2, "abcb"),  # the one that was used last stays
        ("abcdabcd", 3, "abcdabcd"),
        ("abcdabcd", 4, "abcd"),
    ],
)
def test_as_many_stay_as_the_limit_says(
    cache: ModelCache, loader: Loader, files: list[CheckpointFile], wanted: str, limit: int, read: str
) -> None:
    get_all(cache, files, wanted, limit)
    assert loader.letters == read


def test_a_lower_limit_holds_at_once(cache: ModelCache, loader: Loader, files: list[CheckpointFile]) -> None:
    get_all(cache, files, "abc", 3)
    get_all(cache, files, "c", 1)
    get_all(cache, files, "ab", 3)
    assert loader.letters == "abcab"


def test_room_is_made_before_the_next_one_is_read(
    cache: ModelCache, loader: Loader, files: list[CheckpointFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = weakref.ref(get(cache, files[0]).network)

    def reading(*given: Any, **named: Any) -> LoadedModel:
        assert gone() is None
        return loader.load(*given, **named)

    monkeypatch.setattr(cache_module, "load_checkpoint", reading)
    get(cache, files[1])
    assert loader.read == ["a", "b"]


def test_what_a_job_needs_together_stays_beyond_the_limit(
    cache: ModelCache, loader: Loader, files: list[CheckpointFile]
) -> None:
    base, refiner, other, _ = files
    for _ in range(3):  # jobs
        for file in (base, refiner, base, refiner):
            get(cache, file, together(base, refiner))
    assert loader.read == ["a", "b"]
    get(cache, base)
    get(cache, refiner)
    assert loader.read == ["a", "b", "b"]
    get(cache, other, together(other, base, refiner))
    assert get(cache, refiner, together(other, base, refiner))
    assert loader.read == ["a", "b", "b", "c"]


def test_what_a_job_does_not_need_goes_first(cache: ModelCache, loader: Loader, files: list[CheckpointFile]) -> None:
    get_all(cache, files, "abc", 3)
    get(cache, files[3], together(files[3], files[0], limit=3))  # a was used before b, but is needed
    get_all(cache, files, "a", 3)
    assert loader.letters == "abcd"


def test_when_memory_is_short_the_one_that_was_not_used_for_longest_goes(
    cache: ModelCache, loader: Loader, files: list[CheckpointFile]
) -> None:
    loader.free["cpu"] = 2000  # the 1000 bytes of a file become twice as many in float32
    get_all(cache, files, "aba", 10)
    assert loader.letters == "ab"
    loader.free["cpu"] = 1999
    get_all(cache, files, "c", 10)
    loader.free["cpu"] = 2**40
    get_all(cache, files, "cab", 10)
    assert loader.letters == "abcab"


def test_no_more_go_than_memory_needs(
    cache: ModelCache, loader: Loader, files: list[CheckpointFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    get_all(cache, files, "abc", 10)
    loader.free["cpu"] = 1000

    def freed(_device: torch.device) -> None:
        gc.collect()
        loader.free["cpu"] += 1000

    monkeypatch.setattr(cache_module, "release", freed)
    get_all(cache, files, "dbc", 10)
    assert loader.letters == "abcd"


def test_short_memory_does_not_make_a_job_read_its_own_checkpoints_twice(
    cache: ModelCache, loader: Loader, files: list[CheckpointFile]
) -> None:
    base, refiner, other, _ = files
    get(cache, other, Keep(limit=3))
    loader.free["cpu"] = 0
    for file in (base, refiner, base, refiner):
        get(cache, file, together(base, refiner, limit=3))
    assert loader.letters == "cab"
    get_all(cache, files, "c", 3)
    assert loader.letters == "cabc"


def test_all_can_be_forgotten(cache: ModelCache, loader: Loader, files: list[CheckpointFile]) -> None:
    networks = [weakref.ref(get(cache, file, Keep(limit=2)).network) for file in files[:2]]
    assert files[0].path in cache
    cache.clear()
    assert files[0].path not in cache
    assert [network() for network in networks] == [None, None]
    get_all(cache, files, "ab", 2)
    assert loader.letters == "abab"


def test_a_changed_file_is_read_again_and_the_others_are_not(
    cache: ModelCache, loader: Loader, files: list[CheckpointFile]
) -> None:
    get_all(cache, files, "ab", 2)
    files[0].path.touch()
    get_all(cache, files, "baa", 2)
    assert loader.letters == "aba"


def test_another_yaml_or_a_changed_one_is_read(cache: ModelCache, loader: Loader, files: list[CheckpointFile]) -> None:
    get(cache, files[0])
    described = checkpoint(files[0].path, config=True)
    assert described.config
    described.config.write_text("model: {}")
    first = get(cache, described, Keep(limit=2))
    assert get(cache, described, Keep(limit=2)) is first
    described.config.touch()
    assert get(cache, described, Keep(limit=2)) is not first
    get(cache, files[0])
    assert loader.letters == "aaaa"


def test_one_that_is_wished_otherwise_is_read_again(
    cache: ModelCache, loader: Loader, files: list[CheckpointFile]
) -> None:
    keep = Keep(limit=2)
    wishes = [LoadOptions(), LoadOptions(averaged=True), LoadOptions(float8="Enable")]
    for wish in (*wishes, wishes[-1]):
        cache.get(files[0], keep, lambda _: None, CancelToken(), wish)
        get(cache, files[1], keep)
    assert loader.letters == "abaa"
    assert loader.options == [wishes[0], LoadOptions(), *wishes[1:]]


def test_what_others_keep_is_given_back_before_a_model_is_dropped(
    tmp_path: Path, loader: Loader, files: list[CheckpointFile]
) -> None:
    calls = 0

    def give_back() -> None:
        nonlocal calls
        calls += 1
        loader.free["cpu"] += 1000

    cache = ModelCache(CPU, FLOAT, Flags(data_dir=tmp_path), give_back)
    loader.free["cpu"] = 1500
    get_all(cache, files, "a", 10)
    assert calls == 0  # there is nothing that anybody could have kept
    get_all(cache, files, "baba", 10)
    assert (calls, loader.letters) == (1, "ab")
    get_all(cache, files, "c", 10)
    assert calls == 1  # the 2500 bytes that are free now are enough
    loader.free["cpu"] = 100
    get_all(cache, files, "d", 10)
    get_all(cache, files, "cba", 10)
    assert (calls, loader.letters[3]) == (3, "d")


def test_a_loaded_checkpoint_outlives_its_file(cache: ModelCache, files: list[CheckpointFile]) -> None:
    keep = Keep(limit=2)
    first, second = (get(cache, file, keep) for file in files[:2])
    files[0].path.unlink()
    assert get(cache, files[0], keep) is first
    assert get(cache, files[1], keep) is second


@pytest.mark.parametrize(("limit", "read"), [(1, "abab"), (2, "abb")])
def test_after_a_failure_the_others_can_be_used(
    cache: ModelCache, loader: Loader, files: list[CheckpointFile], limit: int, read: str
) -> None:
    get_all(cache, files, "a", limit)
    loader.fails = ModelFileError("b is damaged")
    with pytest.raises(ModelFileError, match="damaged"):
        get_all(cache, files, "b", limit)
    loader.fails = None
    get_all(cache, files, "ab", limit)
    assert loader.letters == read


def test_two_that_do_not_fit_together_are_named(cache: ModelCache, loader: Loader, files: list[CheckpointFile]) -> None:
    loader.fails = MemoryError()
    with pytest.raises(MemoryError):  # alone: the job says what there is to say
        get(cache, files[0])
    loader.fails = None
    get(cache, files[0])
    loader.fails = torch.OutOfMemoryError()
    with pytest.raises(torch.OutOfMemoryError):  # beside one that nobody needs
        get(cache, files[1], Keep(limit=2))
    with pytest.raises(OutOfMemoryError, match=r"“b\.safetensors” does not fit .* beside “a\.safetensors”"):
        get(cache, files[1], together(files[0], files[1]))
    loader.fails = RuntimeError("a fault")
    with pytest.raises(RuntimeError, match="a fault"):
        get(cache, files[1], together(files[0], files[1]))
