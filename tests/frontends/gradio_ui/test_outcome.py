"""What an ended job looks like on the page."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from modules.core.events import Cancelled, Failed, Finished, JobEvent
from modules.core.job import Job
from modules.core.parameters import Txt2Img
from modules.core.results import GeneratedImage, GenerationResult
from modules.core.settings import Settings
from modules.frontends.gradio_ui.outcome import (
    GenerationInfo,
    gallery_files,
    infotext_html,
    log_html,
    summary,
    with_bytes,
)
from modules.jobs.state import JobState, advance
from tests.frontends.fake_worker import picture

REQUEST = Txt2Img(prompt="hills", seed=2**60 + 1, width=64, height=64, batch_size=2)
IMAGES = (picture(REQUEST, 0), picture(REQUEST, 1))


def ended(event: JobEvent, *, interrupted: bool = False) -> JobState:
    job = Job(id="task(1)", request=REQUEST, settings=Settings(), created=datetime.now(tz=UTC))
    return replace(advance(JobState(job=job), event), interrupted=interrupted)


def test_generation_info_survives_its_json() -> None:
    info = GenerationInfo.from_json(GenerationInfo.of(IMAGES).to_json())
    assert info.seeds == (2**60 + 1, 2**60 + 2)
    assert info.infotext(1) == IMAGES[1].infotext
    assert info.infotext(2) == ""
    assert GenerationInfo.from_json("") == GenerationInfo.from_json(None) == GenerationInfo()


def test_pictures_are_copied_unchanged_under_the_name_they_were_saved_with(tmp_path: Path) -> None:
    saved = replace(IMAGES[0], path=Path("/somewhere/00007-5.png"))
    first, second = map(Path, gallery_files((saved, IMAGES[1]), tmp_path))
    assert first.name == "00007-5.png"
    assert second.name == f"00001-{2**60 + 2}.png"
    assert first.read_bytes() == IMAGES[0].data
    assert first.is_relative_to(tmp_path)


def test_an_old_job_is_read_back_from_its_files_as_far_as_they_exist(tmp_path: Path) -> None:
    path = tmp_path / "00000-1.png"
    path.write_bytes(IMAGES[0].data)

    def forgotten(image: GeneratedImage, where: Path) -> GeneratedImage:
        return replace(image, data=b"", path=where)

    found = with_bytes((forgotten(IMAGES[0], path), forgotten(IMAGES[1], tmp_path / "deleted.png")))
    assert [image.data for image in found] == [IMAGES[0].data]


def test_everything_is_escaped() -> None:
    assert infotext_html("<script>") == '<p class="infotext-text">&lt;script&gt;</p>'
    assert log_html('"><script>', ["<b>"]) == '<div data-job="&quot;&gt;&lt;script&gt;">&lt;b&gt;</div>'


def test_an_error_is_announced() -> None:
    assert 'role="alert"' in log_html("task(1)", ["It failed."], error=True)


def test_the_summary_says_what_happened() -> None:
    result = GenerationResult(images=IMAGES, seconds=3.21, notes=("A note.",))
    assert summary(ended(Finished(job_id="task(1)", result=result))) == ["A note.", "Time taken: 3.2 s"]
    failed = Failed(job_id="task(1)", error="OutOfMemoryError", message="Too big.")
    assert summary(ended(failed)) == ["Too big."]


def test_the_summary_counts_what_an_interruption_left() -> None:
    def after(images: tuple[GeneratedImage, ...]) -> str:
        event = Cancelled(job_id="task(1)", result=GenerationResult(images=images))
        return summary(ended(event, interrupted=True))[0]

    assert after(()) == "Interrupted before a picture was finished."
    assert after(IMAGES[:1]) == "Interrupted, 1 finished picture kept."
    grid = replace(IMAGES[0], is_grid=True)
    assert after((grid, *IMAGES)) == "Interrupted, 2 finished pictures kept."
