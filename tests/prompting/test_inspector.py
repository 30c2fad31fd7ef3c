import json
from dataclasses import asdict

import pytest

from modules.core.settings import Emphasis
from modules.prompting import inspector
from modules.prompting.embeddings import EmbeddingNames
from modules.prompting.inspector import Reading, inspect_prompt
from modules.prompting.report import InspectedStage, PromptReport
from modules.prompting.tokenizer import shipped_tokenizer

TOKENIZER = shipped_tokenizer()
EMBEDDINGS = EmbeddingNames({"style": 3, "bad prompt": 4}, TOKENIZER)


def report(prompt: str, reading: Reading | None = None) -> PromptReport:
    return inspect_prompt(prompt, TOKENIZER, reading or Reading(), embeddings=EMBEDDINGS, networks={"lora": {"x"}})


def test_a_prompt_from_tags_to_tokens() -> None:
    prompt = "a (cat:1.3) <lora:x:0.8> # fluffy\n[dog:bird:4] AND night :0.5"
    found = report(prompt)

    assert [(part.text, part.weight) for part in found.parts] == [("a (cat:1.3)  \n[dog:bird:4]", 1.0), (" night", 0.5)]
    first, second = found.parts
    assert first.stages == (InspectedStage(first=1, until=4, text=0), InspectedStage(first=5, until=20, text=1))
    assert second.stages == (InspectedStage(first=1, until=20, text=2),)
    assert [text.text for text in found.texts] == ["a (cat:1.3)  \ndog", "a (cat:1.3)  \nbird", " night"]
    assert str(found.count) == "3/75"
    (tag,) = found.networks
    assert (prompt[tag.start : tag.stop], tag.kind, tag.name) == ("<lora:x:0.8>", "lora", "x")
    assert found.unresolved == ()
    assert found.lints == ()

    (chunk,) = found.texts[0].chunks
    assert [(token.piece, token.weight, token.position) for token in chunk.tokens] == [
        ("a", 1.0, 1),
        ("cat", 1.3, 2),
        ("dog", 1.0, 3),
    ]
    assert [prompt[token.start : token.stop] for token in chunk.tokens] == ["a", "cat", "dog"]
    assert [token.id for token in chunk.tokens] == TOKENIZER.encode("a cat dog")


def test_each_text_is_inspected_once() -> None:
    found = report("[a|b] AND [a|b]:2", Reading(steps=4))
    assert [text.text for text in found.texts] == ["a", "b", " a", " b"]
    assert [stage.text for stage in found.parts[0].stages] == [0, 1, 0, 1]
    assert [stage.text for stage in found.parts[1].stages] == [2, 3, 2, 3]


def test_the_second_pass_has_its_own_stages() -> None:
    (part,) = report("[a:b:0.5] [c:d:1.5]", Reading(steps=10, hires_steps=6)).parts
    assert [(stage.first, stage.until) for stage in part.stages] == [(1, 5), (6, 10)]
    assert [(stage.first, stage.until) for stage in part.hires_stages] == [(1, 3), (4, 6)]
    assert report("[a:b:0.5]").parts[0].hires_stages == ()


def test_in_a_negative_prompt_and_and_tags_are_text() -> None:
    found = report("a AND <lora:y:1>", Reading(negative=True))
    assert [part.text for part in found.parts] == ["a AND <lora:y:1>"]
    assert found.networks == ()
    assert found.unresolved == ()


@pytest.mark.parametrize(
    ("emphasis", "pieces", "weights"),
    [("None", ["(", "cat", ":", "2", ")"], {1.0}), ("Ignore", ["cat"], {1.0}), ("Original", ["cat"], {2.0})],
)
def test_emphasis_is_read_as_the_setting_says(emphasis: Emphasis, pieces: list[str], weights: set[float]) -> None:
    (chunk,) = report("(cat:2)", Reading(emphasis=emphasis)).texts[0].chunks
    assert [token.piece for token in chunk.tokens] == pieces
    assert {token.weight for token in chunk.tokens} == weights


def test_comments_stay_when_the_setting_says_so() -> None:
    assert report("a # b", Reading(comments=False)).texts[0].text == "a # b"


def test_old_scheduling_is_followed() -> None:
    (part,) = report("[a:b:0.5]", Reading(steps=10, hires_steps=4, use_old_scheduling=True)).parts
    assert part.stages == part.hires_stages


def test_embeddings_show_their_name_and_all_of_it() -> None:
    prompt = "a Bad  Prompt BREAK style"
    first, second = report(prompt).texts[0].chunks
    assert [token.piece for token in first.tokens] == ["a", *["bad prompt"] * 4]
    assert {prompt[token.start : token.stop] for token in first.tokens[1:]} == {"Bad  Prompt"}
    assert (first.broken, second.broken) == (True, False)
    assert [(fix.offset, fix.name, fix.vectors) for fix in second.fixes] == [(0, "style", 3)]


def test_tokens_of_repaired_text_have_the_place_of_their_piece() -> None:
    prompt = "(voilÃ\xa0:1.2) b"
    (chunk,) = report(prompt).texts[0].chunks
    assert "".join(token.piece for token in chunk.tokens) == "voilàb"
    assert [prompt[token.start : token.stop] for token in chunk.tokens] == [*["voilÃ\xa0"] * 3, "b"]


def test_unresolved_names_are_listed() -> None:
    assert report("<lora:y> <lora:x> <hypernet:z:1>").unresolved == ("lora:y", "hypernet:z")
    assert inspect_prompt("<lora:y>", TOKENIZER, Reading()).unresolved == ()


def test_too_many_texts_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspector, "MAX_CHARACTERS", 5)
    found = report("[cat|dog|bird]", Reading(steps=4))
    assert [text.text for text in found.texts] == ["cat"]
    assert [stage.text for stage in found.parts[0].stages] == [0, None, None, 0]


def test_a_report_can_be_sent() -> None:
    assert json.loads(json.dumps(asdict(report("(a:1.2) <lora:y> [b|style]")), allow_nan=False))


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "unit",
    [
        *["(", "[x:", "<a:", ":1", ",", " ", "\\", "# \n", "#", "a, ", "(a:1.1)", "BREAK ", "AND ", "and ", "style "],
        *["[a:b:3]", "[a|b][a|b|c]", "<lora:x:1>", ":1 and ", "😀", "[a:b]", ":1,"],
    ],
)
def test_long_hostile_prompts_end_soon(unit: str) -> None:
    found = report(unit * (50_000 // len(unit)), Reading(steps=20))
    assert len(found.lints) <= 10 * inspector.MAX_LINTS
