from datetime import UTC, datetime
from pathlib import Path

from modules.core.cancellation import CancelToken
from modules.core.events import JobEvent
from modules.core.flags import Flags
from modules.core.job import Job
from modules.core.parameters import Txt2Img
from modules.core.paths import resolve_paths
from modules.core.settings import Settings
from modules.pipeline.context import RunContext
from modules.pipeline.prompts import merged_prompts


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
