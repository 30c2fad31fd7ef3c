"""What writes the history: one reader of the queue's events among others."""

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from modules.core.errors import OutputError, UnknownName
from modules.core.events import Cancelled, Failed, Finished, ImageReady, JobEvent, Started, TerminalEvent
from modules.core.job import Job
from modules.core.parameters import Img2Img, Txt2Img
from modules.core.results import GeneratedImage, GenerationResult
from modules.jobs.request_pictures import without_pictures
from modules.jobs.service import JobService
from modules.storage.history import History
from modules.storage.history_entry import PictureKind, RunEnd, RunPicture, RunStart, RunStatus

logger = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class _Run:
    """A run that has not ended: its id in the history, and its pictures so far."""

    id: int
    pictures: list[RunPicture]


class Recorder:
    """Writes each generation into the history: when it begins, with each picture, and when it ends.

    So a crash leaves what there was. What cannot be written is left out, and the log says so; pictures are made
    nevertheless.
    """

    def __init__(self, jobs: JobService, history: History) -> None:
        self._jobs = jobs
        self._history = history
        self._runs: dict[str, _Run] = {}
        self._complained = False

    def record(self, events: Iterator[JobEvent]) -> None:
        """Record until there are no more events."""
        for event in events:
            try:
                self._record_one(event)
            except OutputError as error:
                if not self._complained:
                    logger.warning("The history misses what is made now. %s", error)
                self._complained = True
            else:
                self._complained = False

    def _record_one(self, event: JobEvent) -> None:
        match event:
            case Started():
                self._run(event.job_id)
            case ImageReady(image=image):
                if run := self._run(event.job_id):
                    run.pictures.append(_picture(image))
                    self._history.runs.add_picture(run.id, len(run.pictures) - 1, run.pictures[-1])
            case Finished() | Cancelled() | Failed():
                if run := self._runs.pop(event.job_id, None):
                    self._end(run, event)
            case _:
                pass

    def _run(self, job_id: str) -> _Run | None:
        """Return a job's run, which begins with this; None of a job that makes no pictures."""
        if job_id not in self._runs:
            try:
                job = self._jobs.state(job_id).job
            except UnknownName:  # forgotten already: this thread was held up for very long
                return None
            if not isinstance(job.request, Txt2Img | Img2Img):
                return None
            run = self._history.runs.begin(_start(job, job.request))
            self._runs[job_id] = _Run(id=run, pictures=[])
        return self._runs[job_id]

    def _end(self, run: _Run, event: TerminalEvent) -> None:
        if isinstance(event, Failed):
            end = RunEnd(status=RunStatus.FAILED, pictures=tuple(run.pictures), message=event.message)
        else:
            end = _end(event.result, finished=isinstance(event, Finished))
        self._history.runs.end(run.id, end, _words_of(end))


def _start(job: Job, request: Txt2Img | Img2Img) -> RunStart:
    form, settings = without_pictures(request), job.settings
    chosen = settings.sd_model_checkpoint or ""
    words = (
        request.prompt,
        request.negative_prompt,
        *dict.fromkeys((*request.prompts, *request.negative_prompts)),
        request.sampler,
        chosen,
        request.kind,
        f"{job.created.astimezone():%Y-%m-%d}",
        str(request.seed),
    )
    return RunStart(
        job_id=job.id,
        created=job.created.timestamp(),
        kind=request.kind,
        prompt=request.prompt,
        seed=request.seed,
        checkpoint=chosen,
        request=form.model_dump_json(),
        settings=settings.model_dump_json(exclude_defaults=True),
        search_text="\n".join(word for word in words if word),
    )


def _end(result: GenerationResult, *, finished: bool) -> RunEnd:
    return RunEnd(
        status=RunStatus.FINISHED if finished else RunStatus.CANCELLED,
        pictures=tuple(_picture(image) for image in result.images),
        seconds=result.seconds,
        checkpoint=result.model_name,
        checkpoint_hash=result.model_hash,
    )


def _words_of(end: RunEnd) -> str:
    """Return what a search finds that is known only at the end: prompts with styles merged in, seeds, the model."""
    words = [end.checkpoint or "", end.checkpoint_hash or ""]
    words += (str(picture.seed) for picture in end.pictures)
    words += (picture.infotext.partition("\nSteps: ")[0] for picture in end.pictures)
    return "\n".join(dict.fromkeys(word for word in words if word))


def _picture(image: GeneratedImage) -> RunPicture:
    kind = PictureKind.GRID if image.is_grid else PictureKind.MASK if image.is_mask else PictureKind.PICTURE
    return RunPicture(
        path=image.path,
        infotext=image.infotext,
        seed=image.seed,
        subseed=image.subseed,
        width=image.width,
        height=image.height,
        kind=kind,
    )


def record_history(jobs: JobService, history: History) -> threading.Thread:
    """Write down what `jobs` makes from now on, in a thread that ends when `jobs` is closed.

    The program does not end before the thread has: the last picture belongs into the history, too.
    """
    events = jobs.subscribe_all()

    def record() -> None:
        try:
            history.runs.end_what_was_cut_off()
        except OutputError as error:
            logger.warning("The history cannot be used. %s", error)
        Recorder(jobs, history).record(events)
        history.close()

    thread = threading.Thread(target=record, name="easel-history", daemon=False)
    thread.start()
    return thread
