"""What a person sees of upscalers: names. Imports no torch, so that the page can fill its drop-downs at once."""

from difflib import get_close_matches
from typing import Literal

from modules.core.errors import UnknownName

LATENT_MODES: tuple[str, ...] = (
    "Latent",
    "Latent (antialiased)",
    "Latent (bicubic)",
    "Latent (bicubic antialiased)",
    "Latent (nearest)",
    "Latent (nearest-exact)",
)
"""Hires. fix may enlarge latents in these ways."""

PictureUpscaler = Literal["None", "Lanczos", "Nearest"]
PICTURE_UPSCALERS: tuple[PictureUpscaler, ...] = ("None", "Lanczos", "Nearest")
"""Those that need no model file. "None" means that nothing better than Lanczos is asked for."""


def find_upscaler(name: str, *, latent: bool) -> str:
    """Return the upscaler called `name` (any case).

    Args:
        name: as in `LATENT_MODES` or `PICTURE_UPSCALERS`.
        latent: whether latent modes are among the choices.

    Raises:
        UnknownName: there is none; the message lists those there are.
    """
    known = (*(LATENT_MODES if latent else ()), *PICTURE_UPSCALERS)
    by_folded = {upscaler.casefold(): upscaler for upscaler in known}
    folded = name.strip().casefold()
    if folded in by_folded:
        return by_folded[folded]
    near = get_close_matches(folded, by_folded, n=1)
    hint = f" Did you mean “{by_folded[near[0]]}”?" if near else ""
    raise UnknownName(f"Upscaler not found: “{name}”.{hint} Known upscalers: {', '.join(known)}.")
