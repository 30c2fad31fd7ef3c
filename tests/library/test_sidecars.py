"""Files beside models."""

import json
from pathlib import Path

import pytest

from modules.core.errors import OutputError
from modules.library.sidecars import (
    Sidecars,
    UserNotes,
    find_preview,
    read_sidecars,
    save_notes,
    sidecars_as_json,
    sidecars_of_json,
)
from modules.library.small_json import MAX_BYTES

A1111_LORA = {
    "description": "soft lines",
    "sd version": "SDXL",
    "activation text": "mystyle, ink",
    "preferred weight": 0.7,
    "negative text": "photo",
    "notes": "bought at …\nsecond line",
}
NOTES = UserNotes(
    description="soft lines",
    sd_version="SDXL",
    activation_text="mystyle, ink",
    preferred_weight=0.7,
    negative_text="photo",
    notes="bought at …\nsecond line",
)
VERSION = {
    "id": 5,
    "trainedWords": ["mystyle", "ink "],
    "baseModel": "Pony",
    "description": "<p>New: <b>better</b> hands &amp; feet</p>",
    "model": {"name": "My style", "type": "LORA", "nsfw": False},
    "tags": ["style", "ink"],
}


def put(path: Path, content: object) -> None:
    path.write_text(json.dumps(content))


def test_what_a1111_wrote_is_read(tmp_path: Path) -> None:
    put(tmp_path / "x.json", A1111_LORA)
    assert read_sidecars(tmp_path, "x") == Sidecars(notes=NOTES)
    put(tmp_path / "model.v1.json", {"description": "", "notes": "n", "vae": "good.vae.pt"})
    assert read_sidecars(tmp_path, "model.v1").notes == UserNotes(notes="n", vae="good.vae.pt")


def test_what_is_written_is_what_a1111_writes(tmp_path: Path) -> None:
    save_notes(tmp_path, "x", NOTES)
    assert (tmp_path / "x.json").read_text("utf-8") == json.dumps(A1111_LORA, indent=4, ensure_ascii=False)
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_only_what_changed_is_written_and_the_rest_is_kept(tmp_path: Path) -> None:
    before = {"their key": [1, {"a": None}], "notes": 5, **{key: A1111_LORA[key] for key in ("sd version",)}}
    put(tmp_path / "x.json", before)
    save_notes(tmp_path, "x", UserNotes(sd_version="SDXL", activation_text="new"))
    assert json.loads((tmp_path / "x.json").read_text()) == {**before, "activation text": "new"}
    save_notes(tmp_path, "x", UserNotes())
    assert json.loads((tmp_path / "x.json").read_text()) == {**before, "sd version": "", "activation text": ""}


def test_a_damaged_file_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{half")
    assert read_sidecars(tmp_path, "x") == Sidecars()
    with pytest.raises(OutputError, match=r"x\.json is damaged .* Repair it"):
        save_notes(tmp_path, "x", NOTES)
    assert (tmp_path / "x.json").read_text() == "{half"


@pytest.mark.parametrize("content", [[], "text", {"preferred weight": "much", "notes": None, "vae": ["x"]}])
def test_values_of_other_kinds_say_nothing(content: object, tmp_path: Path) -> None:
    put(tmp_path / "x.json", content)
    put(tmp_path / "x.civitai.info", {"trainedWords": "text", "model": [], "tags": {"a": 1}, "description": 5})
    assert read_sidecars(tmp_path, "x") == Sidecars()


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), 1e9, -1e9])
def test_weights_of_no_use_are_none(weight: float, tmp_path: Path) -> None:
    put(tmp_path / "x.json", {"preferred weight": weight})
    assert read_sidecars(tmp_path, "x").notes.preferred_weight == 0


def test_civitai(tmp_path: Path) -> None:
    put(tmp_path / "x.civitai.info", VERSION)
    assert read_sidecars(tmp_path, "x") == Sidecars(
        title="My style",
        base_model="Pony",
        trigger_words=("mystyle", "ink"),
        tags=("style", "ink"),
        description="New: better hands & feet",
    )


def test_civitai_with_all_versions_of_a_model(tmp_path: Path) -> None:
    """Some programs keep the whole answer about a model in `name.json`; the version is told by its file."""
    versions = [
        {"baseModel": "SDXL 1.0", "trainedWords": ["new"], "files": [{"name": "style_v2.safetensors"}]},
        {"baseModel": "SD 1.5", "trainedWords": ["old"], "files": [{"name": "style_v1.safetensors"}]},
    ]
    model = {"name": "My style", "description": "<i>About</i> it", "tags": ["style"], "modelVersions": versions}
    for name in ("style_v1", "renamed", "single"):
        put(tmp_path / f"{name}.json", model if name != "single" else {**model, "modelVersions": versions[:1]})
    found = read_sidecars(tmp_path, "style_v1")
    assert (found.title, found.base_model, found.trigger_words) == ("My style", "SD 1.5", ("old",))
    assert read_sidecars(tmp_path, "single").trigger_words == ("new",)
    assert read_sidecars(tmp_path, "renamed").trigger_words == ()
    assert read_sidecars(tmp_path, "renamed").tags == ("style",)


def test_the_first_description_is_the_plain_text(tmp_path: Path) -> None:
    put(tmp_path / "x.civitai.info", VERSION)
    (tmp_path / "x.txt").write_text("  in my own words\n")
    assert read_sidecars(tmp_path, "x").description == "in my own words"


def test_huge_files_are_not_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "x.json").write_text('{"notes": "' + "x" * MAX_BYTES + '"}')
    assert read_sidecars(tmp_path, "x") == Sidecars()
    assert "larger than 8 MiB" in caplog.text


def test_previews_in_a1111s_order() -> None:
    order = ["x.png", "x.preview.png", "x.jpg", "x.preview.jpg", "x.jpeg", "x.preview.jpeg", "x.webp", "x.preview.webp"]
    names = {*order, "x.gif", "y.png", "x.safetensors"}
    for expected in order:
        assert find_preview("x", names) == expected
        names.remove(expected)
    assert find_preview("x", names) is None


def test_they_can_be_stored(tmp_path: Path) -> None:
    put(tmp_path / "x.json", {**A1111_LORA, "notes": "half \ud800 pair"})
    put(tmp_path / "x.civitai.info", VERSION)
    found = read_sidecars(tmp_path, "x")
    assert sidecars_of_json(sidecars_as_json(found)) == found
    assert sidecars_as_json(Sidecars()) == "{}"
    assert sidecars_of_json("broken") == Sidecars()
