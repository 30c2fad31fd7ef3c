"""Infotexts made of what other programs write into pictures.

What is mapped to what was taken from these programs' own sources; nothing here trusts what a file says.
"""

from collections.abc import Callable, Mapping

from modules.imaging.foreign_comfy import comfy_recipe
from modules.imaging.foreign_draw_things import draw_things_recipe
from modules.imaging.foreign_fooocus import fooocus_recipe
from modules.imaging.foreign_invoke import invoke_recipe
from modules.imaging.foreign_novelai import novelai_recipe
from modules.imaging.foreign_recipe import ForeignRecipe
from modules.imaging.infotext_civitai import read_any_infotext
from modules.imaging.metadata import PARAMETERS

_OWN_FORMS: tuple[Callable[[Mapping[str, str]], ForeignRecipe | None], ...] = (
    novelai_recipe,
    fooocus_recipe,
    invoke_recipe,
    draw_things_recipe,
)


def foreign_infotext(items: Mapping[str, str]) -> ForeignRecipe | None:
    """Return how a picture of another program was made, None when no known program says so.

    A text "parameters" that is an infotext goes before a graph of ComfyUI: some of its nodes write both.

    Args:
        items: all texts of the picture by name, the one called "parameters" among them.
    """
    for read in _OWN_FORMS:
        if recipe := read(items):
            return recipe
    return None if _is_infotext(items.get(PARAMETERS, "")) else comfy_recipe(items)


def _is_infotext(text: str) -> bool:
    return len(read_any_infotext(text)) > 2
