"""All routes of the HTTP interface."""

from fastapi import APIRouter

from modules.frontends.backend import Backend
from modules.frontends.http_api.add_ons import add_ons_router
from modules.frontends.http_api.cards import cards_router
from modules.frontends.http_api.catalogue import catalogue_router
from modules.frontends.http_api.generation import generation_router
from modules.frontends.http_api.history import history_router
from modules.frontends.http_api.localization import localization_router
from modules.frontends.http_api.options import options_router
from modules.frontends.http_api.picture_recipe import picture_recipe_router
from modules.frontends.http_api.png_info import png_info_router
from modules.frontends.http_api.progress import progress_router
from modules.frontends.http_api.prompt_info import prompt_info_router
from modules.frontends.http_api.queue import queue_router
from modules.frontends.http_api.settings_page import settings_page_router
from modules.frontends.http_api.styles import styles_router
from modules.frontends.http_api.system import system_router
from modules.frontends.http_api.uploads import uploads_router

_PARTS = (
    generation_router,
    progress_router,
    queue_router,
    history_router,
    localization_router,
    options_router,
    catalogue_router,
    add_ons_router,
    cards_router,
    prompt_info_router,
    settings_page_router,
    styles_router,
    system_router,
    uploads_router,
)


def create_router(backend: Backend) -> APIRouter:
    """Return A1111's routes and our own, served by `backend`."""
    router = APIRouter()
    router.include_router(png_info_router())
    router.include_router(picture_recipe_router())
    for part in _PARTS:
        router.include_router(part(backend))
    return router
