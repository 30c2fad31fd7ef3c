import json

import pytest

from modules.imaging.metadata_novelai import hidden_items, novelai_infotext

SAID = {"steps": 28, "sampler": "k_dpmpp_2m", "seed": 123, "scale": 11.0, "uc": "lowres, bad", "strength": 0.7}


def items(said: object) -> dict[str, str]:
    return {"Software": "NovelAI", "Description": "1girl {x}", "Comment": json.dumps(said)}


def test_what_a1111_makes_of_it() -> None:
    assert novelai_infotext(items(SAID), 8, 6) == (
        "1girl {x}\nNegative prompt: lowres, bad\n"
        "Steps: 28, Sampler: DPM++ 2M, CFG scale: 11.0, Seed: 123, Size: 8x6, Clip skip: 2, ENSD: 31337"
    )


def test_a_sampler_that_a1111_does_not_know_is_euler_a() -> None:
    assert "Sampler: Euler a," in (novelai_infotext(items(SAID | {"sampler": "nai_smea"}), 8, 6) or "")


NOT_ENOUGH: list[object] = [{}, [], None, "text", {"steps": 1}, SAID | {"uc": None}, SAID | {"seed": [1]}]


@pytest.mark.parametrize("said", NOT_ENOUGH)
def test_what_does_not_say_enough(said: object) -> None:
    assert novelai_infotext(items(said), 8, 6) is None


@pytest.mark.parametrize("comment", ["", "{", "[" * 100_000])
def test_broken_comments(comment: str) -> None:
    assert novelai_infotext(items(SAID) | {"Comment": comment}, 8, 6) is None


def test_other_programs() -> None:
    assert novelai_infotext(items(SAID) | {"Software": "GIMP"}, 8, 6) is None
    assert novelai_infotext({"Software": "NovelAI"}, 8, 6) is None


def test_texts_of_a_hidden_object() -> None:
    assert hidden_items('{"Software": "NovelAI", "Width": 5}') == {"Software": "NovelAI"}
    assert hidden_items("a cat\nSteps: 20") == {}
