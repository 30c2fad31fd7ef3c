from typing import Any

import pytest

from modules.core.errors import InvalidRequest
from modules.core.settings import Settings, is_output_folder, setting_names, with_changes


def test_changes_make_a_new_snapshot() -> None:
    before = Settings()
    after = with_changes(before, {"n_rows": 3, "sd_model_checkpoint": "x"})
    assert (after.n_rows, after.sd_model_checkpoint) == (3, "x")
    assert before == Settings()
    assert with_changes(after, {"sd_model_checkpoint": None}).sd_model_checkpoint is None
    assert with_changes(after, {}) == after


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"nonsense": 1, "n_rows": 1}, "nonsense"),
        ({"n_rows": 65}, "n_rows"),
        ({"n_rows": "three"}, "n_rows"),
        ({"eta_ancestral": float("nan")}, "eta_ancestral"),
        ({"CLIP_stop_at_last_layers": 0}, "CLIP_stop_at_last_layers"),
        ({"randn_source": "TPU"}, "randn_source"),
        ({"samples_save": None}, "samples_save"),
        ({"img2img_background_color": "white"}, "img2img_background_color"),
        ({"emphasis": "Loud"}, "emphasis"),
        ({"hires_fix_refiner_pass": "third pass"}, "hires_fix_refiner_pass"),
        ({"k_sched_type": "simple"}, "k_sched_type"),
        ({"uni_pc_order": 0}, "uni_pc_order"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRequest, match=named):
        with_changes(Settings(), changes)


def test_every_setting_has_a_description_and_a_valid_default() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
    assert with_changes(Settings(), Settings().model_dump()) == Settings()


def test_output_folders_are_known_as_such() -> None:
    folders = {name for name in setting_names() if is_output_folder(name)}
    assert folders == {name for name in setting_names() if name.startswith("outdir_")}
    assert folders
