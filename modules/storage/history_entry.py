"""What the history remembers of a run."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class RunStatus(StrEnum):
    """How a run ended."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    CUT_OFF = "cut off"


class PictureKind(StrEnum):
    """What a picture of a run shows."""

    PICTURE = "picture"
    GRID = "grid"
    MASK = "mask"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPicture:
    """A picture of a run.

    Attributes:
        path: where it was saved, None when it was not.
        infotext: the generation parameters in A1111's text form.
        seed: of this picture.
        subseed: its variation seed.
        width: px.
        height: px.
        kind: what it shows.
    """

    path: Path | None
    infotext: str
    seed: int
    subseed: int
    width: int
    height: int
    kind: PictureKind = PictureKind.PICTURE


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStart:
    """What is known of a run when it begins.

    Attributes:
        job_id: the job's id.
        created: when it was submitted, seconds since the epoch.
        kind: "txt2img" or "img2img".
        prompt: as it was entered.
        seed: of the first picture.
        checkpoint: name of the one that was chosen.
        request: JSON of the whole request; the pictures it brought along are empty.
        settings: JSON of the settings that were not the defaults.
        search_text: all that a search looks through.
    """

    job_id: str
    created: float
    kind: str
    prompt: str
    seed: int
    checkpoint: str
    request: str
    settings: str
    search_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """What is known of a run when it has ended.

    Attributes:
        status: how it ended.
        pictures: all of them, as they were shown.
        seconds: how long it took, 0 when that is not known.
        checkpoint: name of the one it was made with, None when that is not known.
        checkpoint_hash: first 10 hex digits of its sha256, None when they are not known.
        message: a sentence for people, if it failed.
    """

    status: RunStatus
    pictures: tuple[RunPicture, ...]
    seconds: float = 0.0
    checkpoint: str | None = None
    checkpoint_hash: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A run as the history has it; attributes as in `RunStart` and `RunEnd`.

    Attributes:
        id: by which the history knows it, never given again.
        favourite: a person has marked it.
    """

    id: int
    job_id: str
    created: float
    kind: str
    prompt: str
    seed: int
    checkpoint: str
    checkpoint_hash: str
    seconds: float
    status: RunStatus
    message: str
    favourite: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeRun:
    """All that the history knows of a run.

    Attributes:
        row: what a list shows of it.
        request: JSON of the whole request.
        settings: JSON of the settings that were not the defaults.
        pictures: in the order in which they were shown.
    """

    row: RunRow
    request: str
    settings: str
    pictures: tuple[RunPicture, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPage:
    """A part of the runs that a search found.

    Attributes:
        total: how many it found in all.
        runs: newest first.
        pictures: of each of them, in the same order.
    """

    total: int
    runs: tuple[RunRow, ...]
    pictures: tuple[tuple[RunPicture, ...], ...]
