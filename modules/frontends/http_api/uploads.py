"""Routes of our own by which the page sends pictures that its forms then name."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from modules.core.errors import InvalidRequest
from modules.frontends.backend import Backend
from modules.imaging.metadata import FORMATS
from modules.imaging.picture_size import picture_size
from modules.storage.uploads import Uploads


class Upload(BaseModel):
    """A picture that was kept."""

    id: str
    width: int
    height: int


def uploads_router(backend: Backend) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/internal/uploads")
    uploads = Uploads(backend.paths.uploads)

    @router.post("")
    async def keep(request: Request) -> Upload:
        """Keep the picture file in the body and return its id."""
        data = await request.body()
        if not data:
            raise InvalidRequest(f"The body is empty. Send a picture file ({', '.join(FORMATS)}).")
        width, height = await run_in_threadpool(picture_size, data)
        return Upload(id=await run_in_threadpool(uploads.keep, data), width=width, height=height)

    @router.get("/{name}", response_class=Response)
    def get(name: str) -> Response:
        """Return a picture that was kept; browsers never take it for a page."""
        headers = {"Cache-Control": "private, max-age=86400, immutable", "X-Content-Type-Options": "nosniff"}
        return Response(uploads.read(name), media_type="image/png", headers=headers)

    return router
