"""Routes of our own that change `styles.csv`; A1111's list of styles is in `catalogue.py`."""

import threading
from collections.abc import Callable

from fastapi import APIRouter
from pydantic import BaseModel, Field

from modules.core.errors import OutputError
from modules.frontends.backend import Backend
from modules.prompting.styles import Style, styles_with, styles_without
from modules.storage.json_file import write_whole

MAX_TEXT = 50_000


class StyleBody(BaseModel):
    """A style."""

    name: str = Field(min_length=1, max_length=200)
    prompt: str = Field(default="", max_length=MAX_TEXT)
    negative_prompt: str = Field(default="", max_length=MAX_TEXT)


class StyleName(BaseModel):
    """Which style is meant."""

    name: str = Field(max_length=200)


def styles_router(backend: Backend) -> APIRouter:
    """Return the routes. None is `async`: they write a file, so each runs in a thread."""
    router = APIRouter(prefix="/internal/styles")
    path, writing = backend.paths.styles_file, threading.Lock()

    def change(edit: Callable[[bytes], bytes]) -> None:
        with writing:
            try:
                before = path.read_bytes()
            except FileNotFoundError:
                before = b""
            except OSError as error:
                raise OutputError(f"Cannot read {path}: {error.strerror}. Check its rights.") from error
            write_whole(path, edit(before))

    @router.post("")
    def save(body: StyleBody) -> None:
        """Add a style, or change the one of its name."""
        change(lambda data: styles_with(data, Style(**body.model_dump())))

    @router.post("/delete")
    def delete(body: StyleName) -> None:
        """Remove a style."""
        change(lambda data: styles_without(data, body.name))

    return router
