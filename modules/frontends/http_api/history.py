"""Routes of our own for the page's history: runs to be looked through, and their pictures.

A picture is named by its run and number, never by a path.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi import Path as InPath
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from modules.core.errors import UnknownName
from modules.frontends.backend import Backend
from modules.frontends.http_api.json_safe import clean_text
from modules.imaging.thumbnails import thumbnail
from modules.storage.history_entry import PictureKind, RunPicture, RunRow, RunStatus

MAX_RUNS = 200  # in one answer
MAX_PROMPT = 300  # characters of it in a list
THUMBNAIL_SIDE = 320  # px
# Ids are never given again, and a picture is not written twice.
KEPT = {"Cache-Control": "private, max-age=604800"}
MEDIA_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".avif": "image/avif",
}


RunId = Annotated[int, InPath(ge=1, le=2**63 - 1)]


class HistoryQuery(BaseModel):
    """Which runs are asked for."""

    search: str = Field(
        default="", max_length=1000, description="words of prompts, models, seeds, dates; all must occur"
    )
    favourites: bool = False
    start: int = Field(default=0, ge=0, le=10**9)
    count: int = Field(default=60, ge=1, le=MAX_RUNS)


class HistoryPicture(BaseModel):
    """A picture of a run."""

    number: int = Field(description="by which the routes know it")
    kind: PictureKind
    seed: int
    width: int
    height: int
    infotext: str
    there: bool = Field(description="it was saved, and lies where it was written")


class HistoryRun(BaseModel):
    """A run in a list."""

    id: int
    created: datetime
    kind: str
    prompt: str
    seed: int
    checkpoint: str
    checkpoint_hash: str
    seconds: float
    status: RunStatus
    message: str
    favourite: bool
    pictures: int = Field(description="how many it made, without grid and masks")
    cover: int | None = Field(description="number of the picture that stands for it")


class HistoryAnswer(BaseModel):
    """A part of the runs that a search found."""

    total: int
    runs: list[HistoryRun]


class WholeRunAnswer(HistoryRun):
    """All that is known of a run."""

    form: dict[str, Any] = Field(description="the whole request; pictures that it brought along are empty")
    settings: dict[str, Any] = Field(description="those that were not the defaults")
    images: list[HistoryPicture]


class FavouriteBody(BaseModel):
    """Whether a run is a favourite."""

    favourite: bool


def history_router(backend: Backend) -> APIRouter:
    """Return the routes. None is `async`: they read a database and files, so each runs in a thread."""
    router = APIRouter(prefix="/internal/history")
    _add_runs(router, backend)
    _add_pictures(router, backend)
    return router


def _add_runs(router: APIRouter, backend: Backend) -> None:
    history = backend.history

    @router.get("")
    def runs(query: Annotated[HistoryQuery, Query()]) -> HistoryAnswer:
        """Search the history, newest first."""
        page = history.runs.page(**query.model_dump())
        found = [HistoryRun(**_run(*each)) for each in zip(page.runs, page.pictures, strict=True)]
        return HistoryAnswer(total=page.total, runs=found)

    @router.get("/{run}")
    def whole(run: RunId) -> WholeRunAnswer:
        """Return all that is known of a run."""
        found = history.runs.find(run)
        images = [_picture(number, picture) for number, picture in enumerate(found.pictures)]
        return WholeRunAnswer(
            **_run(found.row, found.pictures),
            form=json.loads(found.request),
            settings=json.loads(found.settings),
            images=images,
        )

    @router.post("/{run}/favourite")
    def favourite(run: RunId, body: FavouriteBody) -> None:
        """Mark a run as a favourite, or no longer."""
        history.runs.mark(run, favourite=body.favourite)

    @router.delete("/{run}")
    def forget(run: RunId) -> None:
        """Forget a run; its pictures stay where they are."""
        history.runs.forget(run)


def _add_pictures(router: APIRouter, backend: Backend) -> None:
    def saved(run: RunId, number: int) -> Path:
        pictures = backend.history.runs.find(run).pictures
        path = pictures[number].path if 0 <= number < len(pictures) else None
        if path is None or path.suffix.lower() not in MEDIA_TYPES or not path.is_file():
            raise UnknownName(
                f"Picture {number} of run {run} was not saved, or is no longer where it was saved. Make it once more."
            )
        return path

    @router.get("/{run}/thumb/{number}", response_class=Response)
    def thumb(run: RunId, number: int) -> Response:
        """Return a picture, made small."""
        return Response(thumbnail(saved(run, number), THUMBNAIL_SIDE), media_type="image/webp", headers=KEPT)

    @router.get("/{run}/picture/{number}", response_class=FileResponse)
    def picture(run: RunId, number: int) -> FileResponse:
        """Return a picture as it was saved."""
        path = saved(run, number)
        return FileResponse(
            path,
            media_type=MEDIA_TYPES[path.suffix.lower()],
            filename=path.name,
            content_disposition_type="inline",
            headers=KEPT,
        )


def _run(row: RunRow, pictures: tuple[RunPicture, ...]) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in RunRow.__dataclass_fields__}
    plain = [number for number, picture in enumerate(pictures) if picture.kind is PictureKind.PICTURE]
    there = [number for number in plain if pictures[number].path]
    return values | {
        "created": datetime.fromtimestamp(row.created, tz=UTC),
        "prompt": clean_text(row.prompt, MAX_PROMPT),
        "pictures": len(plain),
        "cover": there[0] if there else None,
    }


def _picture(number: int, picture: RunPicture) -> HistoryPicture:
    return HistoryPicture(
        number=number,
        kind=picture.kind,
        seed=picture.seed,
        width=picture.width,
        height=picture.height,
        infotext=picture.infotext,
        there=picture.path is not None and picture.path.is_file(),
    )
