"""All routes of the HTTP interface."""

from fastapi import APIRouter

from modules.frontends.backend import Backend
from modules.frontends.http_api.add_ons import add_ons_router
from modules.frontends.http_api.cards import cards_router
from modules.frontends.http_api.catalogue import catalogue_router
from modules.frontends.http_api.generation import generation_router
from modules.frontends.http_api.options import options_router
from modules.frontends.http_api.png_info import png_info_router
from modules.frontends.http_api.progress import progress_router
from modules.frontends.http_api.prompt_info import prompt_info_router
from modules.frontends.http_api.system import system_router

_PARTS = (
    generation_router,
    progress_router,
    options_router,
    catalogue_router,
    add_ons_router,
    cards_router,
    prompt_info_router,
    system_router,
)


def create_router(backend: Backend) -> APIRouter:
    """Return A1111's routes and our own, served by `backend`."""
    router = APIRouter()
    router.include_router(png_info_router())
    for part in _PARTS:
        router.include_router(part(backend))
    return router
