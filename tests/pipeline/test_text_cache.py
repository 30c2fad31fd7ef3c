"""What the text encoders made of a text is kept, within bounds, and never made twice."""

from collections.abc import Sequence
from typing import cast

import pytest
import torch

from modules.conditioning.embeddings import Embeddings
from modules.conditioning.encode import EncodedText, PromptEncoder, TextOptions, encode_texts
from modules.core.cancellation import CancelToken
from modules.core.parameters import HiresFix, Txt2Img
from modules.pipeline import text_cache
from modules.pipeline.runner import PipelineRunner
from modules.pipeline.text_cache import TextCache
from modules.prompting.schedule import PromptStage
from modules.sampling.timeline import Timeline
from tests.pipeline.running import UNSAVED, run

BYTES = 4 * 77 * 8
"""Of one text's vectors as `Recorder` makes them."""


class Recorder:
    """Stands for `encode_texts` and remembers what it was given."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, ...]] = []

    def __call__(
        self,
        encoder: PromptEncoder,
        schedule: Sequence[PromptStage],
        options: TextOptions,
        *,
        token: CancelToken,
        embeddings: Embeddings | None,
    ) -> Timeline[EncodedText]:
        del encoder, options, token, embeddings
        self.texts.append(tuple(stage.text for stage in schedule))
        made = {
            stage.text: EncodedText(vectors=torch.full((1, 77, 8), float(len(self.texts))), pooled=None, empty=False)
            for stage in schedule
        }
        return Timeline(
            ends=tuple(stage.until for stage in schedule), values=tuple(made[stage.text] for stage in schedule)
        )


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(text_cache, "encode_texts", recorder)
    return recorder


def nobody(*_: object, **__: object) -> None:
    raise AssertionError("no text is conditioned here")


@pytest.fixture
def cache() -> TextCache:
    return TextCache(PromptEncoder(encoders=(), condition=nobody))  # pyright: ignore[reportArgumentType] # never called


def encode(cache: TextCache, *stages: tuple[int, str], clip_skip: int = 1) -> Timeline[EncodedText]:
    schedule = [PromptStage(until=until, text=text) for until, text in stages]
    return cache.encode(schedule, TextOptions(clip_skip=clip_skip), CancelToken())


def test_a_text_is_encoded_once(cache: TextCache, recorder: Recorder) -> None:
    first, again = encode(cache, (20, "a cat")), encode(cache, (20, "a cat"))
    assert again.values == first.values
    assert recorder.texts == [("a cat",)]


def test_other_options_make_other_vectors(cache: TextCache, recorder: Recorder) -> None:
    encode(cache, (20, "a cat"))
    encode(cache, (20, "a cat"), clip_skip=2)
    encode(cache, (20, "a dog"))
    encode(cache, (20, "a cat"), clip_skip=2)
    assert recorder.texts == [("a cat",), ("a cat",), ("a dog",)]


def test_other_embeddings_or_weights_make_other_vectors(cache: TextCache, recorder: Recorder) -> None:
    stages = [PromptStage(until=20, text="a cat")]
    embeddings = cast("Embeddings", object())
    for _ in range(2):
        cache.encode(stages, TextOptions(), CancelToken())
        cache.encode(stages, TextOptions(), CancelToken(), embeddings=embeddings)
        cache.encode(stages, TextOptions(), CancelToken(), changed_by=("a LoRA", 0.8))
        cache.encode(stages, TextOptions(), CancelToken(), changed_by=("a LoRA", 0.7))
    assert len(recorder.texts) == 4


def test_when_a_stage_ends_makes_no_other_vectors(cache: TextCache, recorder: Recorder) -> None:
    first = encode(cache, (4, "a cat"), (8, "a dog"))
    later = encode(cache, (10, "a cat"), (20, "a dog"))
    assert (later.ends, later.values) == ((10, 20), first.values)
    assert len(recorder.texts) == 1


def test_texts_that_take_turns_are_encoded_together(cache: TextCache, recorder: Recorder) -> None:
    """Emphasis is normalised over all of them, and each counts as often as it occurs."""
    encode(cache, (1, "a"), (2, "b"))
    encode(cache, (1, "a"), (2, "b"), (3, "a"))
    encode(cache, (3, "a"))
    assert recorder.texts == [("a", "b"), ("a", "b", "a"), ("a",)]


def test_the_texts_that_were_not_used_for_longest_are_forgotten(
    cache: TextCache, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_cache, "KEPT_BYTES", 2 * BYTES)
    for text in ("a", "b", "a", "c"):  # b gives way
        encode(cache, (1, text))
    assert recorder.texts == [("a",), ("b",), ("c",)]
    encode(cache, (1, "a"))
    encode(cache, (1, "c"))
    assert len(recorder.texts) == 3
    encode(cache, (1, "b"))
    assert recorder.texts[3:] == [("b",)]


def test_equal_texts_of_a_prompt_take_their_memory_once(
    cache: TextCache, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_cache, "KEPT_BYTES", 3 * BYTES)
    encode(cache, *((step, "ab"[step % 2]) for step in range(20)))
    encode(cache, (1, "c"))
    encode(cache, *((step, "ab"[step % 2]) for step in range(20)))
    assert len(recorder.texts) == 2


def test_the_newest_text_is_kept_however_large(
    cache: TextCache, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_cache, "KEPT_BYTES", 1)
    encode(cache, (1, "a"))
    encode(cache, (1, "a"))
    assert len(recorder.texts) == 1


def test_a_job_runs_the_encoder_once_per_text(runner: PipelineRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[tuple[str, ...]] = []

    def counted(
        encoder: PromptEncoder,
        schedule: Sequence[PromptStage],
        options: TextOptions,
        *,
        token: CancelToken,
        embeddings: Embeddings | None,
    ) -> Timeline[EncodedText]:
        texts.append(tuple(stage.text for stage in schedule))
        return encode_texts(encoder, schedule, options, token=token, embeddings=embeddings)

    monkeypatch.setattr(text_cache, "encode_texts", counted)
    request = Txt2Img(
        prompt="a mouse",
        negative_prompt="a cheese",
        steps=2,
        width=64,
        height=64,
        batch_size=2,
        batch_count=2,
        hires=HiresFix(scale=1.5),
        make_grid=False,
    )
    run(runner, request)
    assert texts == [("a cheese",), ("a mouse",)]
    run(runner, request.model_copy(update={"seed": 9, "width": 128, "cfg_scale": 3.0}))
    assert len(texts) == 2
    run(runner, request, UNSAVED.model_copy(update={"CLIP_stop_at_last_layers": 2}))
    assert len(texts) == 4
