"""`POST /sdapi/v1/png-info`: what a picture says of how it was made."""

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from modules.frontends.http_api.json_safe import clean_text
from modules.frontends.http_api.pictures import read_picture
from modules.imaging.infotext_civitai import read_any_infotext
from modules.imaging.infotext_upgrade import upgrade_infotext
from modules.imaging.metadata import read_metadata


class PngInfoBody(BaseModel):
    """The picture in question."""

    image: str = Field(description="base64 of the file, with or without “data:image/png;base64,” before it")


class PngInfoAnswer(BaseModel):
    """Its infotext, all its other texts, and every field that A1111 1.10 reads from the infotext."""

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
    metadata = read_metadata(read_picture(image, "image").data)
    text = _sayable(metadata.infotext or "")
    said = upgrade_infotext(read_any_infotext(text))
    items, parameters = (
        {_sayable(key): _sayable(value) for key, value in part.items()} for part in (metadata.items, said)
    )
    return PngInfoAnswer(info=text, items=items, parameters=parameters)


def _sayable(text: str) -> str:
    """Return a text that UTF-8 can say: JSON in a picture may speak of halves of surrogate pairs."""
    return clean_text(text, len(text))
