from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

import pytest
from PIL import Image

from modules.imaging.file_names import (
    MAX_NAME_BYTES,
    FileFacts,
    RequestFacts,
    clean_part,
    fill_pattern,
    safe_folder,
    safe_name,
)
from tests.imaging.recordings import recorded

RECORDED = recorded("file_names")
NOW = datetime(2024, 3, 5, 14, 7, 9, 123456, tzinfo=UTC)


def facts_of(case: dict[str, Any]) -> FileFacts:
    """Return the facts of a recorded case, which names only what is not as usual."""
    usual: dict[str, Any] = RECORDED["request"]
    prompt: str | None = case.get("prompt", usual["prompt"])
    different = case.get("request", {})
    request = None
    if different is not None:
        said = usual | different
        number = said["iteration"] * said["batch_size"] + said["batch_index"]
        request = RequestFacts(
            prompt=prompt or "",
            negative_prompt=said["negative_prompt"],
            steps=said["steps"],
            cfg_scale=said["cfg_scale"],
            styles=tuple(said["styles"]),
            sampler=said["sampler_name"],
            scheduler=said["scheduler"],
            denoising_strength=said["denoising_strength"],
            batch_size=said["batch_size"],
            batch_count=said["n_iter"],
            number=None if case.get("zip") else number,
            first_seed=said["all_seeds"][0],
            last_seed=said["all_seeds"][-1],
            user=said["user"],
        )
    return FileFacts(
        picture=Image.new("RGB", (8, 6), (10, 20, 30)),
        now=NOW,
        started=NOW,
        seed=case.get("seed", 1234),
        prompt=prompt,
        own_prompt=prompt,
        model_name=RECORDED["model_name"],
        model_hash=usual["sd_model_hash"],
        vae_file=case.get("vae_file"),
        clip_skip=2,
        max_words=8,
        basename="img",
        request=request,
    )


@pytest.mark.parametrize("case", RECORDED["patterns"], ids=lambda case: f"{case['pattern']} {case.get('request')}")
def test_patterns_are_filled_as_recorded(case: dict[str, Any]) -> None:
    assert fill_pattern(case["pattern"], facts_of(case)) == case["filled"]


@pytest.mark.parametrize("case", RECORDED["parts"], ids=lambda case: repr(case["text"][:20]))
def test_parts_are_cleaned_as_recorded(case: dict[str, Any]) -> None:
    assert clean_part(case["text"], keep_blanks=case["keep_blanks"]) == case["part"]


@pytest.mark.parametrize(
    ("pattern", "filled"),
    [
        ("[datetime<%H><../../etc/passwd>]", "14"),
        ("[datetime<%H><Asia>]", "14"),
        ("[datetime<%H\ud800>]", "20240305140709"),
        ("[bogus<1><2>]", "[bogus]"),
        ("[prompt_hash<" + "9" * 5000 + ">]", "[prompt_hash]"),
        ("[hasprompt<dog|a/b>]", "a_b"),
        ("[negative_prompt_hash]", "a9eb00bf"),
        ("[scheduler]", "Automatic"),
    ],
)
def test_patterns_with_odd_arguments(pattern: str, filled: str) -> None:
    assert fill_pattern(pattern, facts_of({"request": {"sampler_name": "Euler a"}})) == filled


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a cat", "a cat"),
        ("../../x", ".._.._x"),
        ("C:\\x", "C__x"),
        ("..", ""),
        (" . ", ""),
        ("a\0b\x7f", "a_b_"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("com1", "_com1"),
        ("console", "console"),
        ("\ud800", "?"),
        ("#1", "#1"),
    ],
)
def test_names_are_safe(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_names_have_a_largest_size_in_bytes_and_whole_characters() -> None:
    name = safe_name("ä" + "😀" * 100)
    assert name == "ä" + "😀" * 54
    assert len(name.encode()) <= MAX_NAME_BYTES


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("2024-03-05/a cat", "2024-03-05/a cat"),
        ("/etc/passwd", "etc/passwd"),
        ("../../x", "x"),
        ("a\\..\\b", "a/b"),
        ("a//./b/", "a/b"),
        ("C:/aux", "C_/_aux"),
        ("", "."),
    ],
)
def test_folders_stay_where_they_begin(text: str, folder: str) -> None:
    assert safe_folder(text) == PurePath(folder)
