"""`POST /sdapi/v1/png-info`: what a picture says of how it was made."""

import binascii
from base64 import b64decode

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from modules.core.errors import InvalidRequest
from modules.imaging.infotext import read_infotext
from modules.imaging.infotext_upgrade import upgrade_infotext
from modules.imaging.png import read_parameters


class PngInfoBody(BaseModel):
    """The picture in question."""

    image: str = Field(description="base64 of the file, with or without “data:image/png;base64,” before it")


class PngInfoAnswer(BaseModel):
    """Its infotext, and every field that A1111 1.10 reads from it."""

    info: str
    items: dict[str, str]
    parameters: dict[str, str]


def png_info_router() -> APIRouter:
    """Return the route."""
    router = APIRouter(prefix="/sdapi/v1")

    @router.post("/png-info")
    async def png_info(body: PngInfoBody) -> PngInfoAnswer:
        """Read the generation parameters of a PNG, JPEG, WebP, GIF or AVIF picture."""
        return await run_in_threadpool(_read, body.image)

    return router


def _read(image: str) -> PngInfoAnswer:
    try:
        data = b64decode(image.strip().rpartition(",")[2], validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest("The field image is not base64 of a picture file.") from error
    text = read_parameters(data) or ""
    return PngInfoAnswer(info=text, items={}, parameters=upgrade_infotext(read_infotext(text)))
