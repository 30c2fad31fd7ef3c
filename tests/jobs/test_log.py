"""The event log keeps what cannot be made up for, and the newest of the rest."""

from modules.core.events import Finished, ImageReady, JobEvent, Preview, Queued, Started
from modules.core.results import GenerationResult
from modules.jobs.log import EventLog
from tests.jobs.fakes import picture, progress


def kinds(log: EventLog, after: int = 0) -> list[str]:
    return [type(event).__name__ for _, event in log.after(after)]


def test_only_the_newest_preview_and_progress_are_kept_and_every_picture() -> None:
    log = EventLog()
    events: list[JobEvent] = [Queued(job_id="a", ahead=0), Started(job_id="a")]
    for number in range(3):
        events += [
            progress("a", number + 1),
            Preview(job_id="a", data=bytes([number]), media_type="image/png"),
            ImageReady(job_id="a", image=picture(number)),
        ]
    for event in events:
        log.append(event)
    assert kinds(log) == ["Queued", "Started", "ImageReady", "ImageReady", "Progress", "Preview", "ImageReady"]
    assert [event.data for _, event in log.after(0) if isinstance(event, Preview)] == [b"\x02"]


def test_a_reader_goes_on_where_it_was() -> None:
    log = EventLog()
    log.append(Started(job_id="a"))
    seen = log.after(0)[-1][0]
    log.append(progress("a", 1))
    log.append(progress("a", 2))
    assert [event for _, event in log.after(seen)] == [progress("a", 2)]
    assert log.after(log.after(seen)[-1][0]) == []


def test_rewriting_keeps_the_numbers() -> None:
    log = EventLog()
    log.append(ImageReady(job_id="a", image=picture(1)))
    log.append(Finished(job_id="a", result=GenerationResult()))
    log.rewrite(lambda event: None if isinstance(event, ImageReady) else event)
    assert [(number, type(event)) for number, event in log.after(0)] == [(2, Finished)]
    log.append(ImageReady(job_id="a", image=picture(2)))
    assert [number for number, _ in log.after(2)] == [3]
