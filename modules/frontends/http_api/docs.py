"""`/docs`: the interface, described for people.

Made here and not by FastAPI, whose page loads its scripts from a server far away: it would stay empty without a
connection, and run code of others on our origin.
"""

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

PAGE = Path(__file__).with_name("docs.html").read_text("utf-8")


def docs_router() -> APIRouter:
    """Return the route."""
    router = APIRouter(include_in_schema=False)

    @router.get("/docs", response_class=HTMLResponse)
    async def docs() -> str:
        return PAGE

    return router
