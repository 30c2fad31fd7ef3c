"""Route of our own: the texts of the page in the language that was chosen."""

from typing import Annotated

from fastapi import APIRouter, Header, Response

from modules.frontends.backend import Backend
from modules.storage.localizations import Pack, choose_pack, find_packs, language_tag, read_pack


def localization_router(backend: Backend) -> APIRouter:
    """Return the route. It is not `async`: it reads a file, so it runs in a thread."""
    router = APIRouter(prefix="/internal")

    @router.get("/localization")
    def localization(answer: Response, accept_language: Annotated[str, Header()] = "") -> Pack:
        """Return the language pack, empty for English; its language, if known, is that of the answer."""
        packs = find_packs(backend.paths)
        name = choose_pack(backend.settings.snapshot().localization, accept_language, packs)
        language = language_tag(name) if name else "en"
        if language:
            answer.headers["Content-Language"] = language
        answer.headers["Cache-Control"] = "no-cache"
        answer.headers["Vary"] = "Accept-Language"
        return read_pack(packs[name]) if name else {}

    return router
