"""Finished jobs stay within bounds of number and memory."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from modules.core.events import Finished, ImageReady, Queued, Started
from modules.core.job import Job
from modules.core.parameters import Txt2Img
from modules.core.results import GeneratedImage, GenerationResult
from modules.core.settings import Settings
from modules.jobs import archive
from modules.jobs.archive import Archive
from modules.jobs.record import Record
from tests.jobs.fakes import picture

LOCK = threading.Lock()


def ended_record(job_id: str, *images: GeneratedImage) -> Record:
    job = Job(id=job_id, request=Txt2Img(), settings=Settings(), created=datetime.now(tz=UTC))
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
