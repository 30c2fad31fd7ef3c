"""`POST /internal/png-info`: our own route for the PNG Info tab, which knows pictures of other programs, too."""

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from modules.frontends.http_api.json_safe import clean_text
from modules.frontends.http_api.pictures import read_picture
from modules.frontends.http_api.png_info import PngInfoBody
from modules.imaging.foreign_infotext import foreign_infotext
from modules.imaging.foreign_recipe import How
from modules.imaging.foreign_texts import foreign_texts
from modules.imaging.infotext_civitai import read_any_infotext
from modules.imaging.metadata import PARAMETERS, read_metadata

MAX_TEXT = 200_000  # characters of a text that is only shown


class MappedRow(BaseModel):
    """What became of one thing that another program says; see `imaging.foreign_recipe.Mapped`."""

    source: str
    value: str
    target: str
    how: How
    note: str


class RecipeAnswer(BaseModel):
    """How a picture was made.

    Attributes:
        program: the other program that made it; empty when its infotext is in A1111's form, or when it has none.
        info: its infotext; for another program's picture, one that was made of its texts.
        fields: key and value of each field of the infotext, in its order.
        mapped: what became of the other program's words.
        items: all its other texts.
    """

    program: str
    info: str
    fields: list[tuple[str, str]]
    mapped: list[MappedRow]
    items: dict[str, str]


def picture_recipe_router() -> APIRouter:
    """Return the route."""
    router = APIRouter(prefix="/internal")

    @router.post("/png-info")
    async def png_info(body: PngInfoBody) -> RecipeAnswer:
        """Read how a picture was made, by whichever program."""
        return await run_in_threadpool(_read, body.image)

    return router


def _read(image: str) -> RecipeAnswer:
    data = read_picture(image, "image").data
    metadata = read_metadata(data)
    others = foreign_texts(data) | metadata.items
    texts = others if metadata.infotext is None else others | {PARAMETERS: metadata.infotext}
    recipe = foreign_infotext(texts)
    info = recipe.infotext if recipe else metadata.infotext or ""
    said = texts if recipe else others
    return RecipeAnswer(
        program=recipe.program if recipe else "",
        info=_sayable(info),
        fields=[(_sayable(key), _sayable(value)) for key, value in _fields(info)],
        mapped=[
            MappedRow(
                source=_sayable(row.source),
                value=_sayable(row.value),
                target=row.target,
                how=row.how,
                note=_sayable(row.note),
            )
            for row in (recipe.rows if recipe else ())
        ],
        items={_sayable(key): _sayable(value) for key, value in said.items()},
    )


def _fields(info: str) -> list[tuple[str, str]]:
    """Return the fields of an infotext with sizes in one piece; none of a text that is only a prompt."""
    said = read_any_infotext(info)
    if len(said) <= 2:
        return []
    fields: list[tuple[str, str]] = []
    for key, value in said.items():
        if key.endswith("-2") and (width := said.get(f"{key[:-2]}-1")) is not None:
            fields[-1] = key[:-2], f"{width}x{value}"
        elif value:
            fields.append((key, value))
    return fields


def _sayable(text: str) -> str:
    """Return a text that UTF-8 can say, not too long to be shown."""
    return clean_text(text, MAX_TEXT)
