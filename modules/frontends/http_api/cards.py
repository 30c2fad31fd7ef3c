"""Routes of our own for the page's cards: models to be looked through, searched, described and shown by a picture.

Where A1111 has a route for the same (`thumb`, `metadata`) they lie beside it, below `/sd_extra_networks`.
"""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from modules.core.errors import UnknownName
from modules.frontends.backend import Backend
from modules.frontends.http_api.card_answers import (
    Card,
    CardDetails,
    CardKind,
    CardsAnswer,
    Notes,
    card,
    details,
    user_notes,
)
from modules.frontends.http_api.pictures import read_picture
from modules.imaging.png import as_png
from modules.imaging.thumbnails import thumbnail
from modules.library.file_metadata import read_metadata
from modules.library.kinds import ModelKind
from modules.library.shelf import CardQuery

MAX_CARDS = 500  # in one answer
MAX_SENTENCES = 20
THUMBNAIL_SIDE = 384  # px: a card on a screen of twice the usual density
A_YEAR = 365 * 24 * 3600


class CardsQuery(BaseModel):
    """Which cards are asked for."""

    kind: CardKind
    search: str = Field(default="", max_length=1000, description="words, all of which must occur, or a hash")
    sort: Literal["path", "name", "created", "modified"] = "name"
    descending: bool = False
    folder: str = Field(default="", max_length=1000, description="only those in it and below")
    start: int = Field(default=0, ge=0, le=10**9)
    count: int = Field(default=100, ge=0, le=MAX_CARDS)


class NotesBody(BaseModel):
    """What a person writes about a model."""

    kind: CardKind
    name: str
    notes: Notes


class PreviewBody(BaseModel):
    """A picture that shows what a model does."""

    kind: CardKind
    name: str
    image: str = Field(description="base64 of the file")


def cards_router(backend: Backend) -> APIRouter:
    """Return the routes. None is `async`: they look at files, so each runs in a thread."""
    router = APIRouter(prefix="/sd_extra_networks")
    _add_reading(router, backend)
    _add_writing(router, backend)
    return router


def _add_reading(router: APIRouter, backend: Backend) -> None:
    library, settings = backend.library, backend.settings

    def sentences(kind: ModelKind) -> Iterator[str]:
        return (sentence for _, sentence in library.misplaced(kind))

    @router.get("/cards")
    def cards(query: Annotated[CardsQuery, Query()]) -> CardsAnswer:
        """Search the models of one kind and return a part of what was found."""
        kind, now = ModelKind(query.kind), settings.snapshot()
        if reading := library.progress(kind):
            return CardsAnswer(total=0, separator="", cards=[], folders=[], misplaced=[], reading=reading)
        page = library.page(CardQuery(**query.model_dump(exclude={"kind"}), kind=kind))
        first = query.start == 0
        return CardsAnswer(
            total=page.total,
            separator=now.extra_networks_add_text_separator,
            cards=[card(library, entry, now) for entry in page.entries],
            folders=list(library.folders(kind)) if first else [],
            misplaced=list(islice(sentences(kind), MAX_SENTENCES)) if first else [],
            reading=None,
        )

    @router.get("/card")
    def one_card(kind: CardKind, name: str) -> Card:
        """Return one card as it is now."""
        return card(library, library.find(ModelKind(kind), name), settings.snapshot())

    @router.get("/details")
    def all_details(kind: CardKind, name: str) -> CardDetails:
        """Return all that is known of a model."""
        return details(library, library.find(ModelKind(kind), name))

    @router.get("/metadata")
    def metadata(page: str = "", item: str = "") -> dict[str, str]:
        """Return the texts in a LoRA's or checkpoint's header as JSON text; A1111's route."""
        kind = ModelKind.CHECKPOINT if page.casefold().startswith("checkpoint") else ModelKind.LORA
        try:
            entry = library.find(kind, item)
        except UnknownName:
            return {}
        return {"metadata": json.dumps(read_metadata(entry.path), indent=4, ensure_ascii=False)}

    @router.get("/thumb", response_class=Response)
    def thumb(kind: CardKind, name: str, v: str = "") -> Response:
        """Return the picture beside a model, made small. A browser keeps it as long as `v` is the same."""
        entry = library.find(ModelKind(kind), name)
        if entry.preview is None:
            raise UnknownName(f"There is no picture for {entry.name}. Make one, and save it as its preview.")
        lifetime = f"private, max-age={A_YEAR}, immutable" if v else "no-cache"
        small = thumbnail(entry.preview, THUMBNAIL_SIDE)
        return Response(small, media_type="image/webp", headers={"Cache-Control": lifetime})


def _add_writing(router: APIRouter, backend: Backend) -> None:
    library = backend.library

    def now(kind: CardKind, name: str) -> Card:
        return card(library, library.find(ModelKind(kind), name), backend.settings.snapshot())

    @router.post("/notes")
    def write_notes(body: NotesBody) -> Card:
        """Write a person's notes beside a model's file, and return its card with them."""
        library.save_notes(library.find(ModelKind(body.kind), body.name), user_notes(body.notes))
        return now(body.kind, body.name)

    @router.post("/preview")
    def write_preview(body: PreviewBody) -> Card:
        """Let a picture show what a model does, and return its card with it."""
        picture = as_png(read_picture(body.image, "image").data)
        library.save_preview(library.find(ModelKind(body.kind), body.name), picture)
        return now(body.kind, body.name)

    @router.post("/refresh")
    def refresh(kind: CardKind) -> None:
        """Look for models of one kind again."""
        library.refresh(ModelKind(kind))
