"""Fields of A1111's request that this version does not act on. They are refused where they would change the picture,
and accepted where they say nothing (many clients send every field they know).
"""

from collections.abc import Callable

from pydantic import JsonValue

from modules.core.errors import UnsupportedFeature
from modules.frontends.http_api.txt2img_body import Txt2ImgBody


def _script_is_inactive(script: JsonValue) -> bool:
    """Whether an always-on script is sent in its off position: no arguments, or a first one that disables it."""
    arguments = script.get("args") if isinstance(script, dict) else script
    if not isinstance(arguments, list):
        return not arguments
    return all(argument is False for argument in arguments[:1]) or all(
        isinstance(argument, dict) and argument.get("enabled") is False for argument in arguments
    )


UNSUPPORTED: dict[str, Callable[[Txt2ImgBody], bool]] = {
    "subseed_strength": lambda body: body.subseed_strength != 0,
    "seed_resize_from_w": lambda body: body.seed_resize_from_w > 0,
    "seed_resize_from_h": lambda body: body.seed_resize_from_h > 0,
    "restore_faces": lambda body: bool(body.restore_faces),
    "tiling": lambda body: bool(body.tiling),
    "s_min_uncond": lambda body: bool(body.s_min_uncond),
    # s_tmin and s_tmax only say when s_churn acts
    "s_churn": lambda body: bool(body.s_churn),
    "s_noise": lambda body: body.s_noise not in (None, 1.0),
    "refiner_checkpoint": lambda body: body.refiner_checkpoint not in (None, "", "None"),
    "disable_extra_networks": lambda body: body.disable_extra_networks,
    "firstpass_image": lambda body: bool(body.firstpass_image),
    # without it the other fields of hires fix say nothing, denoising_strength included
    "enable_hr": lambda body: body.enable_hr,
    "script_name": lambda body: body.script_name not in (None, "", "None"),
    "alwayson_scripts": lambda body: not all(map(_script_is_inactive, body.alwayson_scripts.values())),
    "infotext": lambda body: bool(body.infotext),
}


def refuse_unsupported(body: Txt2ImgBody) -> None:
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
