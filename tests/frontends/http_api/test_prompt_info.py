"""`POST /sdapi/v1/prompt-info`: what becomes of a request's prompts."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from modules.frontends.backend import Backend
from modules.prompting.tokenizer import shipped_tokenizer


def ask(client: TestClient, **fields: Any) -> Response:
    return client.post("/sdapi/v1/prompt-info", json=fields)


def info(client: TestClient, **fields: Any) -> Any:
    reply = ask(client, **fields)
    assert reply.status_code == 200, reply.text
    return reply.json()


def stages(report: Any, *, hires: bool = False) -> list[tuple[int, int, str]]:
    """Return the first and the last step and the text of each stage of the first part."""
    found = report["parts"][0]["hires_stages" if hires else "stages"]
    return [(stage["first"], stage["until"], report["texts"][stage["text"]]["text"]) for stage in found]


def rules(report: Any) -> list[str]:
    return [lint["rule"] for lint in report["lints"]]


def test_tokens_have_their_weights_and_places(client: TestClient) -> None:
    asked = info(client, prompt="a (red:1.3) cat", negative_prompt="ugly")
    tokens = asked["prompt"]["report"]["texts"][0]["chunks"][0]["tokens"]
    assert [(token["piece"], token["weight"], token["position"]) for token in tokens] == [
        ("a", 1.0, 1),
        ("red", 1.3, 2),
        ("cat", 1.0, 3),
    ]
    text = asked["prompt"]["text"]
    assert [text[token["start"] : token["stop"]] for token in tokens] == ["a", "red", "cat"]
    assert [token["id"] for token in tokens] == shipped_tokenizer().encode("a red cat")
    assert asked["prompt"]["report"]["count"] == {"count": 3, "limit": 75}
    assert asked["negative_prompt"]["report"]["texts"][0]["text"] == "ugly"
    assert (asked["hr_prompt"], asked["hr_negative_prompt"], asked["unknown_styles"]) == (None, None, [])


def test_nothing_is_asked_about_nothing(client: TestClient) -> None:
    report = info(client)["prompt"]["report"]
    assert (report["count"]["count"], report["lints"], stages(report)) == (0, [], [(1, 50, "")])


@pytest.mark.parametrize(("backtrack", "ends"), [(0, 75), (20, 73)])
def test_chunks_break_as_the_settings_say(client: TestClient, backtrack: int, ends: int) -> None:
    asked = info(
        client,
        prompt="red cat " * 36 + ", red cat blue dog",
        override_settings={"comma_padding_backtrack": backtrack},
    )
    chunks = asked["prompt"]["report"]["texts"][0]["chunks"]
    assert [len(chunk["tokens"]) for chunk in chunks] == [ends, 77 - ends]


@pytest.mark.parametrize(
    ("settings", "weight", "text"),
    [
        ({}, 1.1, "(cat)"),
        ({"emphasis": "Ignore"}, 1.0, "(cat)"),
        ({"enable_prompt_comments": False}, 1.1, "(cat) # red"),
    ],
)
def test_prompts_are_read_as_the_settings_say(
    client: TestClient, settings: dict[str, Any], weight: float, text: str
) -> None:
    report = info(client, prompt="(cat) # red", override_settings=settings)["prompt"]["report"]
    assert report["texts"][0]["text"].strip() == text
    assert report["texts"][0]["chunks"][0]["tokens"][0]["weight"] == pytest.approx(weight)


def test_steps_count_model_calls(client: TestClient) -> None:
    asked = info(client, prompt="[a:b:0.5]", negative_prompt="[c|d]", steps=4, sampler_name="Heun")
    assert stages(asked["prompt"]["report"]) == [(1, 4, "a"), (5, 8, "b")]
    assert [text for _, _, text in stages(asked["negative_prompt"]["report"])] == ["c", "d"] * 4


def test_old_scheduling(client: TestClient) -> None:
    old = {"use_old_scheduling": True}
    assert stages(info(client, prompt="[a:b:1.0]", steps=4)["prompt"]["report"]) == [(1, 4, "a")]
    asked = info(client, prompt="[a:b:1.0]", steps=4, override_settings=old)
    assert stages(asked["prompt"]["report"]) == [(1, 1, "a"), (2, 4, "b")]


def test_the_second_pass_goes_on_with_the_prompt(client: TestClient) -> None:
    hires = {"enable_hr": True, "hr_second_pass_steps": 2, "hr_sampler_name": "Heun"}
    report = info(client, prompt="[a:b:1.5]", steps=4, **hires)["prompt"]["report"]
    assert stages(report) == [(1, 4, "a")]
    assert stages(report, hires=True) == [(1, 2, "a"), (3, 4, "b")]
    assert rules(report) == []
    same = info(client, prompt="[a:b:1.5]", steps=4, enable_hr=True)["prompt"]["report"]
    assert stages(same, hires=True) == [(1, 2, "a"), (3, 4, "b")]


def test_the_second_pass_may_have_prompts_of_its_own(client: TestClient) -> None:
    asked = info(client, prompt="[a:b:1.5]", negative_prompt="c", steps=4, enable_hr=True, hr_prompt="[d:e:1.5]")
    first, second = asked["prompt"]["report"], asked["hr_prompt"]["report"]
    assert (stages(first), stages(first, hires=True)) == ([(1, 4, "a")], [])
    assert rules(first) == ["no-change"]
    assert (stages(second), stages(second, hires=True)) == ([], [(1, 2, "d"), (3, 4, "e")])
    assert rules(second) == []
    assert asked["hr_negative_prompt"] is None
    negative = info(client, steps=4, enable_hr=True, hr_negative_prompt="x AND y")["hr_negative_prompt"]
    assert rules(negative["report"]) == ["and-in-negative-prompt"]
    assert info(client, hr_prompt="d")["hr_prompt"] is None


def test_parts_weights_tags_and_lints(client: TestClient) -> None:
    report = info(client, prompt="a cat AND (a dog:2 :0.5 <lora:x:1>", steps=2)["prompt"]["report"]
    assert [(part["text"].strip(), part["weight"]) for part in report["parts"]] == [("a cat", 1.0), ("(a dog:2", 0.5)]
    assert [(tag["kind"], tag["items"]) for tag in report["networks"]] == [("lora", ["x", "1"])]
    assert rules(report) == ["unclosed-bracket"]
    assert report["unresolved"] == []


def test_styles_are_merged_and_unknown_ones_named(client: TestClient, data: Path) -> None:
    (data / "styles.csv").write_text("name,prompt,negative_prompt\nInk,{prompt} in ink,colour\n")
    names = ["Ink", "Chalk", "None"]
    asked = info(client, prompt="a cat", negative_prompt="bad", styles=names, enable_hr=True, hr_prompt="a dog")
    assert [asked[name]["text"] for name in ("prompt", "negative_prompt", "hr_prompt")] == [
        "a cat in ink",
        "bad, colour",
        "a dog in ink",
    ]
    assert asked["unknown_styles"] == ["Chalk"]


def test_the_prompt_of_an_infotext(client: TestClient) -> None:
    text = "[a:b:0.5]\nSteps: 4, Sampler: Euler, Schedule type: Automatic, Seed: 1, Version: v1.10.1"
    assert stages(info(client, infotext=text)["prompt"]["report"]) == [(1, 2, "a"), (3, 4, "b")]


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"prompt": "x" * 100_000}, "prompt"),
        ({"negative_prompt": "x" * 50_001}, "negative_prompt"),
        ({"enable_hr": True, "hr_prompt": "x" * 50_001}, "hr_prompt"),
        ({"prompt": "[a|b] " * 8_000, "steps": 150}, "48,000 characters"),
        ({"steps": 0}, "steps"),
        ({"sampler_name": "Eulr"}, "Did you mean “Euler”?"),
        ({"override_settings": {"no_such": 1}}, "no_such"),
        ({"infotext": "a cat"}, "infotext"),
        ({"prompt": ["a list"]}, "prompt"),
    ],
)
def test_what_cannot_be_looked_at_is_answered_in_words(client: TestClient, fields: dict[str, Any], word: str) -> None:
    reply = ask(client, **fields)
    assert reply.status_code == 422
    assert word in str(reply.json()["detail"])


def test_styles_do_not_make_a_prompt_of_any_length(client: TestClient, data: Path) -> None:
    (data / "styles.csv").write_text("name,prompt,negative_prompt\nTwice,{prompt}{prompt},\n")
    reply = ask(client, prompt="a cat", styles=["Twice"] * 1000)
    assert reply.status_code == 422
    assert "100,000 characters" in reply.json()["detail"]


@pytest.mark.parametrize("text", ["(a cat), ", "a cat AND ", "((((", "<lora:x:1>", "😀", "[a:b:3] "])
def test_the_longest_prompts_are_answered(client: TestClient, text: str) -> None:
    assert ask(client, prompt=(text * 50_000)[:50_000], steps=20).status_code == 200


def test_a_long_prompt_that_does_not_change_may_have_any_number_of_steps(client: TestClient) -> None:
    report = info(client, prompt="red cat " * 6_000, steps=1000)["prompt"]["report"]
    assert (report["count"]["count"], len(report["texts"])) == (12_000, 1)


def test_a_body_of_txt2img_or_img2img_may_be_sent_as_it_is(client: TestClient) -> None:
    assert (
        info(client, prompt="a cat", init_images=["x"], mask="y", denoising_strength=0.5)["prompt"]["text"] == "a cat"
    )


def test_no_job_is_made(client: TestClient, backend: Backend) -> None:
    info(client, prompt="a cat", override_settings={"n_rows": 3}, override_settings_restore_afterwards=False)
    assert (backend.jobs.current(), backend.jobs.pending()) == (None, ())
    assert backend.settings.snapshot().n_rows == -1
