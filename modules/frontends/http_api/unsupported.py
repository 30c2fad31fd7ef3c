"""Fields of A1111's request that this version does not act on. They are refused where they would change the picture,
and accepted where they say nothing (many clients send every field they know).
"""

from collections.abc import Callable

from pydantic import JsonValue

from modules.core.errors import UnsupportedFeature
from modules.frontends.http_api.generation_body import NONE, GenerationBody
from modules.frontends.http_api.img2img_body import SOFT_INPAINTING, Img2ImgBody


def _script_is_inactive(script: JsonValue) -> bool:
    """Whether an always-on script is sent in its off position: no arguments, or a first one that disables it."""
    arguments = script.get("args") if isinstance(script, dict) else script
    if not isinstance(arguments, list):
        return not arguments
    return all(argument is False for argument in arguments[:1]) or all(
        isinstance(argument, dict) and argument.get("enabled") is False for argument in arguments
    )


def _scripts_act(body: GenerationBody) -> bool:
    scripts = [script for name, script in body.alwayson_scripts.items() if name.casefold() != SOFT_INPAINTING]
    return not all(map(_script_is_inactive, scripts))


UNSUPPORTED: dict[str, Callable[[GenerationBody], bool]] = {
    "restore_faces": lambda body: bool(body.restore_faces),
    "latent_mask": lambda body: isinstance(body, Img2ImgBody) and bool(body.latent_mask),
    "script_name": lambda body: body.script_name not in (None, *NONE),
    "alwayson_scripts": _scripts_act,
}


def refuse_unsupported(body: GenerationBody) -> None:
    """Return quietly if the body asks for nothing that this version cannot do.

    Raises:
        UnsupportedFeature: it does; the message names the fields.
    """
    names = [name for name, would_act in UNSUPPORTED.items() if would_act(body)]
    if names:
        raise UnsupportedFeature(
            f"Not supported yet: {', '.join(names)}. Leave it out or send its default; it is not ignored, because the "
            "picture would not be the one you asked for."
        )
