"""Where the weights of several loaded models lie on a machine whose device has memory of its own."""

import weakref
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from modules.core.flags import Flags
from modules.families.base import LoadedModel
from modules.library.checkpoints import CheckpointFile
from modules.loading.cache import Keep, ModelCache
from tests.loading.stub_models import FLOAT, GPU, Loader, Stub, StubVae, four_files, get, get_all, together


@pytest.fixture(autouse=True)
def loader(monkeypatch: pytest.MonkeyPatch) -> Loader:
    return Loader.installed(monkeypatch)


@pytest.fixture
def cache(tmp_path: Path) -> ModelCache:
    return ModelCache(GPU, FLOAT, Flags(data_dir=tmp_path))


@pytest.fixture
def files(tmp_path: Path) -> list[CheckpointFile]:
    return four_files(tmp_path)


def devices(model: LoadedModel) -> set[str]:
    """Return where the networks of a model are."""
    networks = (model.network, model.vae.module, *(encoder.module for encoder in model.text_encoder.encoders))
    return {cast("Stub", network).device.type for network in networks}


def test_only_the_one_in_use_lies_on_the_device(cache: ModelCache, files: list[CheckpointFile]) -> None:
    keep = Keep(limit=3)
    first, second = (get(cache, file, keep) for file in files[:2])
    assert (devices(first), devices(second)) == ({"cpu"}, {"cuda"})
    get(cache, files[0], keep)
    assert (devices(first), devices(second)) == ({"cuda"}, {"cpu"})
    second.network("x")
    assert (devices(first), devices(second)) == ({"cpu"}, {"cuda"})
    get(cache, files[2], keep)
    assert (devices(first), devices(second)) == ({"cpu"}, {"cpu"})


def test_one_can_be_brought_back_before_it_is_called(cache: ModelCache, files: list[CheckpointFile]) -> None:
    first, second = (get(cache, file, Keep(limit=2)) for file in files[:2])
    cache.use(first)
    assert (devices(first), devices(second)) == ({"cuda"}, {"cpu"})


@pytest.mark.parametrize("part", ["network", "autoencoder", "text encoder"])
def test_calling_any_of_its_networks_brings_a_model_back(
    cache: ModelCache, files: list[CheckpointFile], part: str
) -> None:
    keep = together(*files[:2])
    first, second = (get(cache, file, keep) for file in files[:2])
    called: dict[str, nn.Module] = {
        "network": first.network,
        "autoencoder": cast("StubVae", first.vae.module).decoder[0],
        "text encoder": first.text_encoder.encoders[0].module,
    }
    called[part]("x")
    assert (devices(first), devices(second)) == ({"cuda"}, {"cpu"})


def test_what_a_network_is_given_follows_it(
    cache: ModelCache, files: list[CheckpointFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens were put where the text encoder lay before it came back."""
    first, _ = (get(cache, file, Keep(limit=2)) for file in files[:2])
    moved: list[torch.device] = []

    def to(tensor: Tensor, device: torch.device) -> Tensor:
        moved.append(device)
        return tensor

    monkeypatch.setattr(Tensor, "to", to)
    encoder = first.text_encoder.encoders[0].module
    for _ in range(2):
        encoder(torch.zeros(1))
    assert moved == [GPU]


def test_all_stay_on_the_device_if_that_is_wished(
    cache: ModelCache, loader: Loader, files: list[CheckpointFile]
) -> None:
    keep = Keep(limit=3, aside=False)
    first, second = (get(cache, file, keep) for file in files[:2])
    assert devices(first) == devices(second) == {"cuda"}
    loader.free["cuda"] = 1999
    get(cache, files[2], keep)
    assert devices(first) == {"cuda"}
    loader.free["cuda"] = 2**40
    get_all(cache, files, "ab", 3)
    assert loader.letters == "abcab"


def test_one_that_waits_comes_back_beside_the_others_when_the_wish_changes(
    cache: ModelCache, files: list[CheckpointFile]
) -> None:
    first, second = (get(cache, file, Keep(limit=2)) for file in files[:2])
    assert devices(first) == {"cpu"}
    get(cache, files[0], Keep(limit=2, aside=False))
    assert devices(first) == devices(second) == {"cuda"}


def test_those_that_wait_are_not_dropped_for_lack_of_memory_on_the_device(
    cache: ModelCache, loader: Loader, files: list[CheckpointFile]
) -> None:
    loader.free["cuda"] = 0
    get_all(cache, files, "abcabc", 3)
    assert loader.letters == "abc"


def test_one_that_main_memory_cannot_hold_goes_unless_the_job_needs_it(
    cache: ModelCache, loader: Loader, files: list[CheckpointFile]
) -> None:
    loader.free["cpu"] = 11  # three stubs have 12 bytes
    base = get(cache, files[0], together(*files[:2], limit=3))
    refiner = get(cache, files[1], together(*files[:2], limit=3))
    assert devices(base) == devices(refiner) == {"cuda"}
    assert get(cache, files[0], together(*files[:2], limit=3)) is base
    get(cache, files[2], Keep(limit=3))
    loader.free["cpu"] = 12
    get_all(cache, files, "abc", 3)
    assert loader.letters == "abcab"


@pytest.mark.parametrize("why", ["another one", "a new file"])
def test_a_dropped_one_is_freed_though_what_it_said_of_texts_is_kept(
    cache: ModelCache, files: list[CheckpointFile], why: str
) -> None:
    model = get(cache, files[0])
    kept = model.text_encoder  # as a `TextCache` keeps it
    networks = [weakref.ref(model.network), weakref.ref(model.vae.module)]
    del model
    files[0].path.touch()
    get(cache, files[1 if why == "another one" else 0])
    assert [network() for network in networks] == [None, None]
    assert kept


def test_what_others_keep_is_given_back_before_one_comes_back_where_there_is_no_room(
    tmp_path: Path, loader: Loader, files: list[CheckpointFile]
) -> None:
    calls = 0

    def give_back() -> None:
        nonlocal calls
        calls += 1

    cache = ModelCache(GPU, FLOAT, Flags(data_dir=tmp_path), give_back)
    first, _ = (get(cache, file, Keep(limit=2)) for file in files[:2])
    loader.free["cuda"] = 12  # three stubs have 12 bytes
    cache.use(first)
    assert calls == 0
    get_all(cache, files, "b", 2)
    loader.free["cuda"] = 11
    cache.use(first)
    assert calls == 1
