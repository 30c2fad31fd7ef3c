"""Several checkpoints, in one job or in one after the other: how often each is read, and what stays of it."""

import gc
import shutil
import weakref
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from modules.conditioning.embeddings import Embeddings
from modules.conditioning.encode import EncodedText, PromptEncoder, TextOptions, encode_texts
from modules.core.cancellation import CancelToken
from modules.core.errors import Interrupted, ModelFileError, UnknownName
from modules.core.flags import Flags
from modules.core.job import Job
from modules.core.parameters import HiresFix, LoadCheckpoint, Refiner, Txt2Img
from modules.core.paths import resolve_paths
from modules.core.settings import with_changes
from modules.families.base import LoadedModel
from modules.library.checkpoints import CheckpointFile
from modules.library.model_library import open_library
from modules.loading import cache
from modules.loading.build import load_checkpoint
from modules.loading.cache import Keep, ModelCache
from modules.pipeline import text_cache
from modules.pipeline.add_ons import AddOns
from modules.pipeline.runner import PipelineRunner
from modules.prompting.schedule import PromptStage
from modules.sampling.timeline import Timeline
from tests.pipeline.running import UNSAVED, made, pixels, run

FIRST, SECOND, INPAINTING = "tiny-sd1", "tiny-sd1b", "tiny-sd1-inpainting"
CAT = Txt2Img(prompt="a cat", sampler="Euler", steps=2, seed=5, width=64, height=64, make_grid=False)
REFINED = CAT.model_copy(update={"refiner": Refiner(checkpoint=SECOND, switch_at=0.4)})


class Reads:
    """Counts what is read from disk.

    Attributes:
        names: of the checkpoints, in order.
        networks: of what was read.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.networks: list[weakref.ref[nn.Module]] = []

    def __call__(self, path: Path, **options: Any) -> LoadedModel:
        self.names.append(path.stem)
        model = load_checkpoint(path, **options)
        self.networks.append(weakref.ref(model.network))
        return model


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    reads = Reads()
    monkeypatch.setattr(cache, "load_checkpoint", reads)
    return reads


def new_runner(data: Path) -> PipelineRunner:
    flags = Flags(data_dir=data, no_half=True, use_cpu=("all",))
    paths = resolve_paths(flags)
    return PipelineRunner(flags=flags, paths=paths, library=open_library(paths))


@pytest.fixture
def fresh(data: Path, reads: Reads) -> PipelineRunner:
    """A runner that has not read anything yet."""
    assert not reads.names
    return new_runner(data)


def choose(runner: PipelineRunner, name: str, **settings: object) -> None:
    """Make a checkpoint the loaded one."""
    chosen = with_changes(UNSAVED, settings | {"sd_model_checkpoint": name})
    job = Job(id="load", request=LoadCheckpoint(), settings=chosen, created=datetime.now(UTC))
    runner(job, lambda _: None, CancelToken())


@pytest.mark.parametrize(("limit", "read"), [(1, [FIRST, SECOND, FIRST]), (2, [FIRST, SECOND])])
def test_the_setting_says_how_many_stay(fresh: PipelineRunner, reads: Reads, limit: int, read: list[str]) -> None:
    for name in (FIRST, SECOND, FIRST):
        choose(fresh, name, sd_checkpoints_limit=limit)
    assert reads.names == read


def test_settings_and_request_say_what_is_kept(
    fresh: PipelineRunner, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Keep] = []

    def get(_cache: ModelCache, _file: CheckpointFile, keep: Keep, *_: object) -> LoadedModel:
        kept.append(keep)
        raise Interrupted

    monkeypatch.setattr(ModelCache, "get", get)
    settings = with_changes(UNSAVED, {"sd_checkpoints_limit": 3, "sd_checkpoints_keep_in_cpu": False})
    run(fresh, REFINED.model_copy(update={"hires": HiresFix(checkpoint=INPAINTING)}), settings)
    run(fresh, CAT)
    models = data / "models" / "Stable-diffusion"
    first = models / f"{FIRST}.safetensors"
    others = (models / "variants" / f"{name}.safetensors" for name in (SECOND, INPAINTING))
    assert kept == [Keep(limit=3, aside=False, together=frozenset({first, *others})), Keep(together=frozenset({first}))]


def test_base_and_refiner_are_read_once_however_often_they_take_turns(fresh: PipelineRunner, reads: Reads) -> None:
    request = REFINED.model_copy(update={"batch_count": 3})
    first, _ = run(fresh, request)
    again, _ = run(fresh, request)
    assert reads.names == [FIRST, SECOND]
    for one, other in zip(first.images, again.images, strict=True):
        assert np.array_equal(pixels(one.data), pixels(other.data))
    run(fresh, CAT)  # a job that does not need it
    assert reads.networks[1]() is None


def test_base_and_checkpoint_of_the_second_pass_are_read_once(fresh: PipelineRunner, reads: Reads) -> None:
    hires = HiresFix(scale=1.5, steps=2, denoising_strength=0.6, checkpoint=SECOND)
    request = CAT.model_copy(update={"hires": hires, "batch_count": 2})
    for _ in range(2):
        run(fresh, request)
    assert reads.names == [FIRST, SECOND]


def test_what_adapters_keep_is_given_back_for_another_checkpoint_that_does_not_fit(
    data: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_back: list[tuple[str, ...]] = []

    def give_back(_add_ons: AddOns) -> None:
        given_back.append(tuple(reads.names))

    def available_bytes(_device: torch.device) -> int:
        return 0

    monkeypatch.setattr(AddOns, "give_back", give_back)
    runner = new_runner(data)
    choose(runner, FIRST)
    choose(runner, SECOND, sd_checkpoints_limit=2)
    assert not given_back
    monkeypatch.setattr(cache, "available_bytes", available_bytes)
    choose(runner, INPAINTING, sd_checkpoints_limit=3)
    assert given_back == [(FIRST, SECOND)]


def test_texts_are_known_as_long_as_their_model_is_in_memory(
    fresh: PipelineRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[str] = []

    def counted(
        encoder: PromptEncoder,
        schedule: Sequence[PromptStage],
        options: TextOptions,
        *,
        token: CancelToken,
        embeddings: Embeddings | None,
    ) -> Timeline[EncodedText]:
        encoded.append(schedule[0].text)
        return encode_texts(encoder, schedule, options, token=token, embeddings=embeddings)

    monkeypatch.setattr(text_cache, "encode_texts", counted)
    for _ in range(2):
        run(fresh, REFINED.model_copy(update={"batch_count": 2}))
        assert sorted(encoded) == ["", "", "a cat", "a cat"]  # each text once by each model
    made(fresh, CAT, sd_model_checkpoint=SECOND)
    made(fresh, CAT, sd_model_checkpoint=FIRST)
    assert len(encoded) == 6


def test_a_damaged_file_leaves_the_others_usable(data: Path, tmp_path: Path, reads: Reads) -> None:
    runner = new_runner(copied(data, tmp_path))
    bad = tmp_path / "models" / "Stable-diffusion" / "bad.safetensors"
    bad.write_bytes(b"nothing")
    settings = {"sd_checkpoints_limit": 2}
    choose(runner, FIRST, **settings)
    with pytest.raises(ModelFileError, match=r"bad\.safetensors"):
        choose(runner, "bad", **settings)
    choose(runner, FIRST, **settings)
    assert reads.names == [FIRST, "bad"]


def test_a_changed_file_is_read_again_with_its_new_hash(data: Path, tmp_path: Path, reads: Reads) -> None:
    runner = new_runner(copied(data, tmp_path))
    before = run(runner, CAT)[0]
    place = tmp_path / "models" / "Stable-diffusion"
    shutil.copyfile(place / "variants" / f"{SECOND}.safetensors", place / f"{FIRST}.safetensors")
    after = run(runner, CAT)[0]
    assert (before.model_hash, after.model_hash) == ("bb64a9c9c4", "0dd9da1b35")
    assert reads.names == [FIRST, FIRST]


def test_a_deleted_file_stays_usable_under_its_name_and_hash(data: Path, tmp_path: Path, reads: Reads) -> None:
    runner = new_runner(copied(data, tmp_path))
    before = run(runner, REFINED)[0].images[0]
    place = tmp_path / "models" / "Stable-diffusion"
    for path in (place / f"{FIRST}.safetensors", place / "variants" / f"{SECOND}.safetensors"):
        path.unlink()
    after = run(runner, REFINED)[0].images[0]
    assert reads.names == [FIRST, SECOND]
    assert np.array_equal(pixels(after.data), pixels(before.data))
    assert after.infotext == before.infotext


def test_an_unknown_second_checkpoint_is_named_before_anything_is_read(fresh: PipelineRunner, reads: Reads) -> None:
    for request in (
        CAT.model_copy(update={"refiner": Refiner(checkpoint="nowhere")}),
        CAT.model_copy(update={"hires": HiresFix(checkpoint="nowhere")}),
    ):
        with pytest.raises(UnknownName, match="nowhere"):
            run(fresh, request)
    assert not reads.names


def test_twenty_switches_leave_nothing_behind(fresh: PipelineRunner, reads: Reads) -> None:
    counts: list[int] = []
    for turn in range(10):
        for name in (FIRST, SECOND):
            choose(fresh, name)
        if turn in (0, 9):
            counts.append(number_of_modules())
    assert len(reads.names) == 20
    assert [network() is None for network in reads.networks] == [True] * 19 + [False]
    assert counts[0] == counts[1]


def number_of_modules() -> int:
    """Count the networks and layers that there are."""
    gc.collect()
    return sum(isinstance(thing, nn.Module) for thing in gc.get_objects())


def copied(data: Path, folder: Path) -> Path:
    """Return `folder` with the same checkpoints, which may be changed."""
    shutil.copytree(data / "models", folder / "models")
    return folder
