"""Settings that a form changes for its own pictures, as texts: "Clip skip: 2". The words are those of infotexts."""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from modules.core.errors import InvalidRequest
from modules.core.settings import setting_names
from modules.imaging.infotext_request import SETTING_KEYS

_KEYS = {"sd_model_checkpoint": "Model hash"} | {name: key for key, name in SETTING_KEYS.items()}
_NAMES = {key: name for name, key in _KEYS.items()}


def override_texts(settings: Mapping[str, JsonValue]) -> list[str]:
    """Return a text for each of `settings` (values by name)."""
    return [f"{_KEYS.get(name, name)}: {value}" for name, value in settings.items()]


def read_overrides(texts: Sequence[str]) -> dict[str, JsonValue]:
    """Return the settings that `override_texts` made `texts` of; values are texts, which a setting understands.

    Raises:
        InvalidRequest: a text is of no setting.
    """
    settings: dict[str, JsonValue] = {}
    for text in texts:
        key, colon, value = text.partition(": ")
        name = _NAMES.get(key, key)
        if not colon or name not in setting_names():
            raise InvalidRequest(f"Override settings: there is no setting “{key}”. Remove it.")
        settings[name] = value
    return settings
