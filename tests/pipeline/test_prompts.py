"""From what a person wrote to what the network is told: styles, comments, tags, AND, then what changes by steps."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from string import ascii_lowercase
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from modules.adapters.textual_inversion import NamedEmbeddings
from modules.conditioning.conditioning import Conditioning
from modules.conditioning.embeddings import Embeddings
from modules.conditioning.encode import EncodedText, PictureFacts, PromptEncoder, TextOptions
from modules.core.cancellation import CancelToken
from modules.core.errors import InvalidRequest
from modules.core.events import JobEvent
from modules.core.flags import Flags
from modules.core.job import Job
from modules.core.parameters import HiresFix, Txt2Img
from modules.core.paths import resolve_paths
from modules.core.settings import Settings
from modules.families.base import LoadedModel
from modules.library.checkpoints import CheckpointFile
from modules.pipeline import text_cache
from modules.pipeline.add_ons import ActiveAddOns, AddOns
from modules.pipeline.context import Loaded, RunContext
from modules.pipeline.prompts import (
    MAX_PARTS,
    MAX_SCHEDULED_CHARACTERS,
    Calls,
    PromptPair,
    merged_prompts,
    text_options,
    told,
)
from modules.pipeline.runner import PipelineRunner
from modules.pipeline.text_cache import TextCache
from modules.prompting.schedule import PromptStage
from modules.sampling.denoiser import Told
from modules.sampling.timeline import Timeline
from tests.pipeline.running import UNSAVED, pixels, run

NO_ADD_ONS = ActiveAddOns(
    adapters=(), hypernetworks=(), embeddings=cast("NamedEmbeddings", None), lora_hashes={}, problems=()
)

STYLES = """\
name,prompt,negative_prompt
Photo,"photo of {prompt}",blurry
Ink,ink drawing,"{prompt}, colours"
Both,"{prompt} # <lora:hidden:1>
<lora:style:1> AND sharp",low quality
"""


def context(tmp_path: Path, request: Txt2Img, settings: Settings | None = None) -> RunContext:
    (tmp_path / "styles.csv").write_text(STYLES)
    job = Job(id="job", request=request, settings=settings or Settings(), created=datetime.now(UTC))
    events: list[JobEvent] = []

    def no_checkpoint(*_: object) -> Any:
        raise AssertionError("no checkpoint is needed")

    return RunContext(
        job=job,
        paths=resolve_paths(Flags(data_dir=tmp_path)),
        emit=events.append,
        token=CancelToken(),
        load=no_checkpoint,
        find=no_checkpoint,
        add_ons=cast("AddOns", None),
    )


def first_pass(tmp_path: Path, **fields: Any) -> PromptPair:
    request = Txt2Img.model_validate(fields)
    return merged_prompts(context(tmp_path, request), request)[0].first


# Styles and comments


def test_styles_are_merged_before_comments_are_stripped(tmp_path: Path) -> None:
    pair = first_pass(tmp_path, prompt="a cat # mine", negative_prompt="dog", styles=("Photo",))
    assert (pair.positive, pair.negative) == ("photo of a cat \n", "dog, blurry")


def test_styles_are_merged_in_the_order_of_the_request(tmp_path: Path) -> None:
    assert first_pass(tmp_path, prompt="a cat", styles=("Photo", "Ink")).positive == "photo of a cat, ink drawing"
    pair = first_pass(tmp_path, prompt="a cat", negative_prompt="dog", styles=("Ink", "Photo"))
    assert (pair.positive, pair.negative) == ("photo of a cat, ink drawing", "dog, colours, blurry")


def test_comments_stay_when_the_setting_says_so(tmp_path: Path) -> None:
    request = Txt2Img(prompt="a cat # mine", hires=HiresFix(prompt="a dog # yours"))
    (prompts,) = merged_prompts(context(tmp_path, request, Settings(enable_prompt_comments=False)), request)
    assert (prompts.first.positive, prompts.hires.positive) == ("a cat # mine", "a dog # yours")


def test_a_missing_style_is_named_and_changes_nothing(tmp_path: Path) -> None:
    request = Txt2Img(prompt="a cat", styles=("Nope", "None", "Photo"))
    where = context(tmp_path, request)
    assert merged_prompts(where, request)[0].first.positive == "photo of a cat"
    assert where.notes == ["Style not found in styles.csv: Nope."]


def test_the_second_pass_has_its_own_prompts_or_those_of_the_first(tmp_path: Path) -> None:
    own = HiresFix(prompt="a dog # mine", negative_prompt="cat")
    request = Txt2Img(prompt="a cat", negative_prompt="dog", styles=("Photo",), hires=own)
    (prompts,) = merged_prompts(context(tmp_path, request), request)
    assert prompts.first == PromptPair(positive="photo of a cat", negative="dog, blurry")
    assert prompts.hires == PromptPair(positive="photo of a dog \n", negative="cat, blurry")
    same = request.model_copy(update={"hires": HiresFix(negative_prompt="bird")})
    (prompts,) = merged_prompts(context(tmp_path, same), same)
    assert prompts.hires == PromptPair(positive="photo of a cat", negative="bird, blurry")


# Tags and AND


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Loaded:
    """A model whose text encoder makes a vector of each letter, so that what it was told can be read again."""

    def encode(
        _encoder: PromptEncoder,
        schedule: Sequence[PromptStage],
        _options: TextOptions,
        *,
        token: CancelToken,
        embeddings: Embeddings | None,
    ) -> Timeline[EncodedText]:
        del token, embeddings
        values = tuple(EncodedText(vectors=as_vectors(stage.text), pooled=None, empty=False) for stage in schedule)
        return Timeline(ends=tuple(stage.until for stage in schedule), values=values)

    def condition(text: EncodedText, picture: PictureFacts, *, negative: bool) -> Conditioning:
        del picture
        return Conditioning(cross_attention=text.vectors, vector=torch.tensor([[float(negative)]]))

    monkeypatch.setattr(text_cache, "encode_texts", encode)
    encoder = PromptEncoder(encoders=(), condition=condition)
    model = cast("LoadedModel", SimpleNamespace(text_encoder=encoder))
    file = CheckpointFile(path=Path("tiny"), name="tiny", model_name="tiny")
    return Loaded(file=file, model=model, texts=TextCache(encoder))


def as_vectors(text: str) -> Tensor:
    return torch.tensor([[[float(ord(letter))] for letter in text or "."]])


def as_text(conditioning: Conditioning) -> str:
    return "".join(chr(int(value)) for value in conditioning.cross_attention.flatten())


def told_about(where: RunContext, loaded: Loaded, *pairs: PromptPair, calls: Calls | None = None) -> Told[Conditioning]:
    return told(where, loaded, pairs, calls or Calls(first=20), PictureFacts(width=64, height=64), NO_ADD_ONS)


def parts(said: Told[Conditioning], picture: int = 0) -> list[tuple[str, float]]:
    return [(as_text(part.timeline.at(0)), part.weight) for part in said.prompts[picture]]


def test_styles_then_comments_then_tags_then_and(tmp_path: Path, loaded: Loaded) -> None:
    request = Txt2Img(prompt="a cat # AND nothing\nin a box", negative_prompt="dog", styles=("Both",))
    where = context(tmp_path, request)
    pair = merged_prompts(where, request)[0].first
    assert pair.positive == "a cat \nin a box \n<lora:style:1> AND sharp"
    said = told_about(where, loaded, pair)
    assert parts(said) == [("a cat \nin a box", 1.0), (" sharp", 1.0)]
    assert as_text(said.negatives[0].at(0)) == "dog, low quality"


def test_parts_have_weights_and_negative_prompts_have_no_parts(tmp_path: Path, loaded: Loaded) -> None:
    pair = PromptPair(positive="a cat :0.7 AND a dog AND not:-1", negative="x AND y:2 <lora:z:1>")
    where = context(tmp_path, Txt2Img())
    said = told_about(where, loaded, pair)
    assert parts(said) == [("a cat", 0.7), (" a dog", 1.0), (" not", -1.0)]
    assert as_text(said.negatives[0].at(0)) == "x AND y:2 <lora:z:1>"
    assert where.notes == []


def test_networks_of_the_settings_are_in_every_prompt_that_does_not_name_them(tmp_path: Path) -> None:
    settings = Settings(sd_lora="ink", sd_hypernetwork="night", extra_networks_default_multiplier=0.5)
    own = HiresFix(prompt="a dog <lora:ink:1>")
    request = Txt2Img(prompt="a cat", negative_prompt="bird", hires=own)
    (prompts,) = merged_prompts(context(tmp_path, request, settings), request)
    assert prompts.first == PromptPair(positive="a cat<hypernet:night:0.5><lora:ink:0.5>", negative="bird")
    assert prompts.hires.positive == "a dog <lora:ink:1><hypernet:night:0.5>"


def test_every_picture_may_have_prompts_of_its_own(tmp_path: Path) -> None:
    request = Txt2Img(
        prompts=("a cat", "a dog"), negative_prompt="blue", styles=("Photo",), batch_size=2, hires=HiresFix(prompt="x")
    )
    first, second = merged_prompts(context(tmp_path, request), request)
    assert (first.first.positive, second.first.positive) == ("photo of a cat", "photo of a dog")
    assert first.first.negative == second.first.negative == "blue, blurry"
    assert first.hires.positive == second.hires.positive == "photo of x"


def test_pictures_of_several_batches_have_their_own_prompts(runner: PipelineRunner) -> None:
    together = small("", steps=2).model_copy(
        update={"prompts": ("a cat", "a dog", "red", "blue"), "batch_size": 2, "batch_count": 2}
    )
    result, _ = run(runner, together)
    assert [image.prompt for image in result.images] == ["a cat", "a dog", "red", "blue"]
    assert [image.infotext.partition("\n")[0] for image in result.images] == ["a cat", "a dog", "red", "blue"]
    alone, _ = run(runner, small("red", steps=2).model_copy(update={"seed": 7}))
    assert abs(pixels(alone.images[0].data) - pixels(result.images[2].data)).max() <= 1


def test_the_infotext_names_the_add_ons_of_its_own_batch(runner: PipelineRunner) -> None:
    prompts = ("a cat <lora:lin:1>", "a cat <lora:norm:1>", "in the style of emb-st1", "a cat")
    request = small("", steps=1).model_copy(update={"prompts": prompts, "batch_count": 4})
    infotexts = [image.infotext for image in run(runner, request)[0].images]
    assert 'Lora hashes: "lin: 188cfaec47e9",' in infotexts[0]
    assert 'Lora hashes: "norm: 041e56f190e5",' in infotexts[1]
    assert 'TI hashes: "emb-st1: 740e9a5966e9",' in infotexts[2]
    assert "hashes" not in infotexts[3]


def test_styles_that_repeat_the_prompt_have_a_limit(tmp_path: Path) -> None:
    request = Txt2Img(prompt="a cat", styles=("Twice",) * 40)
    where = context(tmp_path, request)
    with where.paths.styles_file.open("a") as file:
        file.write('Twice,"{prompt}{prompt}",\n')
    with pytest.raises(InvalidRequest, match="With styles a prompt has more than 100,000 characters"):
        merged_prompts(where, request)


def test_a_prompt_may_not_change_into_texts_without_end(tmp_path: Path, loaded: Loaded) -> None:
    where = context(tmp_path, Txt2Img())
    with pytest.raises(InvalidRequest, match="may change at each of 1000 model calls"):
        told_about(where, loaded, PromptPair(positive="[a|b]" * 2000, negative=""), calls=Calls(first=1000))


def test_a_prompt_has_a_limit_of_parts(tmp_path: Path, loaded: Loaded) -> None:
    where = context(tmp_path, Txt2Img())
    most = PromptPair(positive=" AND ".join("x" * MAX_PARTS), negative="")
    assert len(parts(told_about(where, loaded, most))) == MAX_PARTS
    with pytest.raises(InvalidRequest, match="joins 101 parts with AND; 100 is the limit"):
        told_about(where, loaded, PromptPair(positive=most.positive + " AND x", negative=""))


def test_every_picture_of_a_batch_has_its_prompts(tmp_path: Path, loaded: Loaded) -> None:
    cat, dog = PromptPair(positive="cat", negative="a"), PromptPair(positive="dog AND x", negative="b")
    said = told_about(context(tmp_path, Txt2Img()), loaded, cat, dog, cat)
    assert [parts(said, picture) for picture in range(3)] == [
        [("cat", 1.0)],
        [("dog", 1.0), (" x", 1.0)],
        [("cat", 1.0)],
    ]
    assert [as_text(negative.at(0)) for negative in said.negatives] == ["a", "b", "a"]
    assert said.prompts[0] is said.prompts[2]


def test_families_hear_which_prompt_is_the_negative_one(tmp_path: Path, loaded: Loaded) -> None:
    said = told_about(context(tmp_path, Txt2Img()), loaded, PromptPair(positive="same", negative="same"))
    for timeline, is_negative in ((said.prompts[0][0].timeline, 0.0), (said.negatives[0], 1.0)):
        vector = timeline.at(0).vector
        assert vector is not None
        assert vector.item() == is_negative


def test_the_second_pass_counts_on_after_the_first(tmp_path: Path, loaded: Loaded) -> None:
    pair, where = PromptPair(positive="[a:b:1.5]", negative="[a:b:12]"), context(tmp_path, Txt2Img())
    first = told_about(where, loaded, pair, calls=Calls(first=10))
    assert [as_text(first.prompts[0][0].timeline.at(call)) for call in (0, 9)] == ["a", "a"]
    second = told_about(where, loaded, pair, calls=Calls(first=10, hires=4))
    assert [as_text(second.prompts[0][0].timeline.at(call)) for call in (0, 2, 3)] == ["a", "a", "b"]
    assert [as_text(second.negatives[0].at(call)) for call in (0, 2, 3)] == ["a", "a", "b"]


def test_old_timelines_are_a_setting(tmp_path: Path, loaded: Loaded) -> None:
    pair = PromptPair(positive="[a:b:0.5]", negative="")
    for old, last in ((False, "b"), (True, "a")):
        where = context(tmp_path, Txt2Img(), Settings(use_old_scheduling=old))
        said = told_about(where, loaded, pair, calls=Calls(first=8, hires=8))
        assert as_text(said.prompts[0][0].timeline.at(1)) == last


@pytest.mark.parametrize(
    ("setting", "value", "option"),
    [
        ("CLIP_stop_at_last_layers", 2, TextOptions(clip_skip=2)),
        ("sdxl_clip_l_skip", True, TextOptions(optional_clip_skip=True)),
        ("comma_padding_backtrack", 0, TextOptions(backtrack=0)),
        ("emphasis", "No norm", TextOptions(emphasis="No norm")),
        ("use_old_emphasis_implementation", True, TextOptions(old_emphasis=True)),
    ],
)
def test_settings_say_how_texts_are_read(setting: str, value: object, option: TextOptions) -> None:
    assert text_options(Settings()) == TextOptions()
    assert text_options(Settings.model_validate({setting: value})) == option


# Prompts and negative prompts of unequal length


def test_lengths_stay_unequal_unless_a_setting_says_otherwise(tmp_path: Path, loaded: Loaded) -> None:
    said = told_about(context(tmp_path, Txt2Img()), loaded, PromptPair(positive="long", negative="x"))
    assert said.equalise is None


def equalised(where: RunContext, loaded: Loaded, positive: str, negative: str) -> tuple[str, str]:
    said = told_about(where, loaded, PromptPair(positive=positive, negative=negative))
    assert said.equalise
    both = said.equalise(said.prompts[0][0].timeline.at(0), said.negatives[0].at(0))
    return as_text(both[0]), as_text(both[1])


def test_the_shorter_one_is_filled_up(tmp_path: Path, loaded: Loaded) -> None:
    where = context(tmp_path, Txt2Img(), Settings(pad_cond_uncond=True))
    assert equalised(where, loaded, "same", "long") == ("same", "long")
    assert not where.padded
    assert equalised(where, loaded, "long", "x") == ("long", "x...")
    assert where.padded
    assert equalised(where, loaded, "x", "long") == ("x...", "long")


def test_the_negative_prompt_is_made_as_long_as_the_prompt(tmp_path: Path, loaded: Loaded) -> None:
    where = context(tmp_path, Txt2Img(), Settings(pad_cond_uncond=True, pad_cond_uncond_v0=True))
    assert equalised(where, loaded, "same", "long") == ("same", "long")
    assert not where.padded
    assert equalised(where, loaded, "long", "xy") == ("long", "xyyy")
    assert where.padded
    assert equalised(where, loaded, "x", "long") == ("x", "l")


@pytest.mark.parametrize(
    ("settings", "key"),
    [({"pad_cond_uncond": True}, "Pad conds: True"), ({"pad_cond_uncond_v0": True}, "Pad conds v0: True")],
)
def test_the_infotext_says_what_was_padded(runner: PipelineRunner, settings: dict[str, bool], key: str) -> None:
    changed = UNSAVED.model_copy(update=settings)
    assert "Pad conds" not in run(runner, small("a cat", steps=1), changed)[0].images[0].infotext
    long = small("a cat", negative_prompt="ugly " * 80, steps=1)
    infotext = run(runner, long, changed)[0].images[0].infotext
    assert key in infotext
    assert infotext.count("Pad conds") == 1


# What is said at each model call


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
