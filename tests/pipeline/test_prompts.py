from datetime import UTC, datetime
from pathlib import Path
from string import ascii_lowercase

import pytest
import torch
from torch import Tensor

from modules.conditioning.conditioning import Conditioning
from modules.core.cancellation import CancelToken
from modules.core.errors import InvalidRequest
from modules.core.events import JobEvent
from modules.core.flags import Flags
from modules.core.job import Job
from modules.core.parameters import Txt2Img
from modules.core.paths import resolve_paths
from modules.core.settings import Settings
from modules.families.base import LoadedModel
from modules.pipeline.context import RunContext
from modules.pipeline.prompts import MAX_SCHEDULED_CHARACTERS, merged_prompts
from modules.pipeline.runner import PipelineRunner
from tests.pipeline.running import pixels, run


def context(tmp_path: Path, request: Txt2Img) -> RunContext:
    (tmp_path / "styles.csv").write_text('name,prompt,negative_prompt\nPhoto,"photo of {prompt}",blurry\n')
    job = Job(id="job", request=request, settings=Settings(), created=datetime.now(UTC))
    events: list[JobEvent] = []
    return RunContext(job=job, paths=resolve_paths(Flags(data_dir=tmp_path)), emit=events.append, token=CancelToken())


def test_styles_are_merged_before_comments_are_stripped(tmp_path: Path) -> None:
    request = Txt2Img(prompt="a cat # mine", negative_prompt="dog", styles=("Photo",))
    prompts = merged_prompts(context(tmp_path, request), request, Settings())
    assert (prompts.positive, prompts.negative) == ("photo of a cat \n", "dog, blurry")


def test_comments_stay_when_the_setting_says_so(tmp_path: Path) -> None:
    request = Txt2Img(prompt="a cat # mine")
    prompts = merged_prompts(context(tmp_path, request), request, Settings(enable_prompt_comments=False))
    assert prompts.positive == "a cat # mine"


def test_a_missing_style_is_named_and_changes_nothing(tmp_path: Path) -> None:
    request = Txt2Img(prompt="a cat", styles=("Nope", "None"))
    where = context(tmp_path, request)
    assert merged_prompts(where, request, Settings()).positive == "a cat"
    assert where.notes == ["Style not found in styles.csv: Nope."]


def calls_of(monkeypatch: pytest.MonkeyPatch, runner: PipelineRunner, request: Txt2Img) -> list[Tensor]:
    """Return what the network was told at each call: [2,T,D], the prompt first."""
    told: list[Tensor] = []
    predict = LoadedModel.predict

    def remember(model: LoadedModel, x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        told.append(conditioning.cross_attention)
        return predict(model, x, t, conditioning)

    with monkeypatch.context() as patch:
        patch.setattr(LoadedModel, "predict", remember)
        run(runner, request)
    return told


def small(
    prompt: str, *, negative_prompt: str = "", sampler: str = "Euler", steps: int = 4, batches: int = 1
) -> Txt2Img:
    return Txt2Img(
        prompt=prompt,
        negative_prompt=negative_prompt,
        sampler=sampler,
        steps=steps,
        seed=5,
        width=64,
        height=64,
        batch_count=batches,
        make_grid=False,
    )


@pytest.mark.parametrize(
    ("sampler", "when", "turns"),
    [
        ("Euler", "2", "aaab"),  # up to and including call 2, counted from 0
        ("DPM++ 2M", "0.25", "aabb"),
        ("Euler a", "0", "bbbb"),
        ("Heun", "2", "aaabbbb"),  # calls, not steps
        ("Heun", "0.5", "aaaaabb"),
    ],
)
def test_prompt_and_negative_prompt_change_at_their_call(
    monkeypatch: pytest.MonkeyPatch, runner: PipelineRunner, sampler: str, when: str, turns: str
) -> None:
    cat, _ = calls_of(monkeypatch, runner, small("a cat", steps=1))[0]
    dog, _ = calls_of(monkeypatch, runner, small("a dog", steps=1))[0]
    said = {"a": cat, "b": dog}

    changing = small(f"a [cat:dog:{when}]", negative_prompt="a [cat|dog]", sampler=sampler, batches=2)
    told = calls_of(monkeypatch, runner, changing)

    assert len(told) == 2 * len(turns)  # the second batch begins anew
    others = "aababab"[: len(turns)]
    for (prompt, negative), turn, other in zip(told, turns * 2, others * 2, strict=True):
        torch.testing.assert_close(prompt, said[turn])
        torch.testing.assert_close(negative, said[other])


def test_a_change_that_never_comes_alters_nothing(runner: PipelineRunner) -> None:
    plain, _ = run(runner, small("a (cat:1.2)"))
    scheduled, _ = run(runner, small("a (cat:1.2)[: and a dog:1.0]"))
    for ours, theirs in zip(scheduled.images, plain.images, strict=True):
        assert (pixels(ours.data) == pixels(theirs.data)).all()
    assert scheduled.images[0].infotext.startswith("a (cat:1.2)[: and a dog:1.0]\n")


def test_a_prompt_of_too_many_long_texts_is_refused(runner: PipelineRunner) -> None:
    long = "cat " * 12_000
    request = small(f"[{'|'.join(ascii_lowercase)}] {long}", steps=26)
    assert len(long) * 26 > MAX_SCHEDULED_CHARACTERS
    with pytest.raises(InvalidRequest, match="26 texts"):
        run(runner, request)
