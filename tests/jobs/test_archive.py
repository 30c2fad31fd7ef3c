"""Finished jobs stay within bounds of number and memory."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from modules.core.events import Finished, ImageReady, Queued, Started
from modules.core.job import Job
from modules.core.parameters import GenerationRequest, HiresFix, Img2Img, Inpaint, Picture, Txt2Img
from modules.core.results import GeneratedImage, GenerationResult
from modules.core.settings import Settings
from modules.jobs import archive
from modules.jobs.archive import Archive
from modules.jobs.record import Record
from tests.jobs.fakes import picture

LOCK = threading.Lock()


def ended_record(job_id: str, *images: GeneratedImage, request: GenerationRequest | None = None) -> Record:
    job = Job(id=job_id, request=request or Txt2Img(), settings=Settings(), created=datetime.now(tz=UTC))
    record = Record(job, LOCK)
    with LOCK:
        record.add(Queued(job_id=job_id, ahead=0), 0.0)
        record.add(Started(job_id=job_id), 0.0)
        for image in images:
            record.add(ImageReady(job_id=job_id, image=image), 1.0)
        record.add(Finished(job_id=job_id, result=GenerationResult(images=images)), 2.0)
    return record


def bytes_in(record: Record) -> list[int]:
    assert record.state.result
    return [len(image.data) for image in record.state.result.images]


def test_old_pictures_leave_the_memory_and_saved_ones_keep_their_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "KEPT_PICTURE_BYTES", 250)
    saved = picture(1, size=100, path=Path("00000-1.png"))
    records = [ended_record(str(number), saved, picture(2, size=100)) for number in range(3)]
    box = Archive()
    for record in records:
        assert box.add(record) == []
    assert [bytes_in(record) for record in records] == [[0], [0], [100, 100]]
    old = records[0]
    assert old.state.images[0].path == Path("00000-1.png")
    assert old.picture_bytes() == 0
    left = [event for _, event in old.log.after(0)]
    assert [type(event) for event in left] == [Queued, Started, ImageReady, Finished]
    assert all(not event.image.data for event in left if isinstance(event, ImageReady))
    assert isinstance(left[-1], Finished)
    assert left[-1].result == old.state.result


def brought(size: int) -> Picture:
    return Picture(data=bytes(size))


@pytest.mark.parametrize(
    ("request_with_pictures", "brought_bytes"),
    [
        (Img2Img(prompt="a cat", images=(brought(60),)), 60),
        (Img2Img(prompt="a cat", images=(brought(60), brought(50)), batch_size=2), 110),
        (Img2Img(prompt="a cat", images=(brought(60),), inpaint=Inpaint(mask=brought(30), blur_x=7)), 90),
        (Txt2Img(prompt="a cat", hires=HiresFix(), first_pass=brought(80)), 80),
    ],
)
def test_pictures_that_a_request_brought_along_count_and_are_emptied(
    monkeypatch: pytest.MonkeyPatch, request_with_pictures: GenerationRequest, brought_bytes: int
) -> None:
    saved = picture(1, size=10, path=Path("00000-1.png"))
    old, new = ended_record("old", saved, request=request_with_pictures), ended_record("new", picture(2, size=5))
    assert old.picture_bytes() == 10 + brought_bytes
    monkeypatch.setattr(archive, "KEPT_PICTURE_BYTES", 15 + brought_bytes)
    box = Archive()
    box.add(old)
    box.add(new)
    assert old.state.job.request == request_with_pictures

    monkeypatch.setattr(archive, "KEPT_PICTURE_BYTES", 14 + brought_bytes)
    box.add(ended_record("newest"))
    assert old.picture_bytes() == 0
    left = old.state.job.request
    everything_else = {"images": True, "first_pass": True, "inpaint": {"mask"}}
    assert left.model_dump(exclude=everything_else) == request_with_pictures.model_dump(exclude=everything_else)
    if isinstance(left, Img2Img) and isinstance(request_with_pictures, Img2Img):
        assert len(left.images) == len(request_with_pictures.images)


def test_the_newest_job_keeps_its_pictures_however_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "KEPT_PICTURE_BYTES", 10)
    record = ended_record("a", picture(1, size=1000))
    Archive().add(record)
    assert bytes_in(record) == [1000]


def test_the_oldest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "KEPT_JOBS", 2)
    box = Archive()
    records = [ended_record(str(number)) for number in range(4)]
    assert [box.add(record) for record in records] == [[], [], [records[0]], [records[1]]]
    box.remove(records[2])
    assert box.add(records[0]) == []
