"""From what was typed into the txt2img tab to a request, or to a sentence that says what is wrong with it."""

from collections.abc import Mapping

from pydantic import ValidationError

from modules.core.errors import InvalidRequest
from modules.core.parameters import Txt2Img

LABELS: dict[str, str] = {
    "prompt": "Prompt",
    "negative_prompt": "Negative prompt",
    "styles": "Styles",
    "sampler": "Sampling method",
    "scheduler": "Schedule type",
    "steps": "Sampling steps",
    "width": "Width",
    "height": "Height",
    "batch_count": "Batch count",
    "batch_size": "Batch size",
    "cfg_scale": "CFG Scale",
    "seed": "Seed",
}
"""The tab's fields: names of `Txt2Img` and what they are called on the page, in the order of the events' inputs."""


def read_form(values: Mapping[str, object]) -> Txt2Img:
    """Return the request that the form's `values` ask for.

    Raises:
        InvalidRequest: a value does not fit; the message names the field as the page does.
        UnknownName: there is no such sampler or schedule type.
    """
    for name, label in LABELS.items():
        if values.get(name) is None:
            raise InvalidRequest(f"{label} is empty: enter a value.")
    try:
        return Txt2Img.model_validate({**values, "seed": _read_seed(values["seed"])})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        label = LABELS.get(str(first["loc"][0]), str(first["loc"][0]))
        raise InvalidRequest(f"{label}: {_lower_first(first['msg'])}, not {_shown(first['input'])}.") from error


def _read_seed(value: object) -> int:
    """Read the text box of the seed exactly; an empty one means a random seed, as -1 does."""
    text = str(value).strip()
    try:
        return int(text) if text else -1
    except ValueError:
        raise InvalidRequest(f"Seed: enter a whole number, or -1 for a random one, not {_shown(value)}.") from None


def _lower_first(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:60]}… ({len(text)} characters)"
