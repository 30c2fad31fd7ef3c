"""Settings as texts, in the words of infotexts."""

import pytest

from modules.core.errors import InvalidRequest
from modules.core.settings import Settings, with_changes
from modules.imaging.override_texts import override_texts, read_overrides


def test_texts_are_read_as_the_settings_that_they_were_made_of() -> None:
    wanted = {
        "CLIP_stop_at_last_layers": 2,
        "randn_source": "CPU",
        "eta_ancestral": 0.5,
        "tiling": True,
        "sd_vae": "a: b.safetensors",
        "sd_model_checkpoint": "anime [0123456789]",
        "samples_format": "webp",
    }
    texts = override_texts(wanted)
    assert texts[:4] == ["Clip skip: 2", "RNG: CPU", "Eta: 0.5", "Tiling: True"]
    changed = with_changes(Settings(), read_overrides(texts))
    assert {name: getattr(changed, name) for name in wanted} == wanted


@pytest.mark.parametrize("text", ["Clip skip", "nonsense: 1", ""])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="Override settings"):
        read_overrides([text])
