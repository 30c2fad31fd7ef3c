import pytest

from modules.prompting.embeddings import EmbeddingNames
from modules.prompting.inspector import MAX_LINTS, Reading, inspect_prompt
from modules.prompting.tokenizer import shipped_tokenizer

TOKENIZER = shipped_tokenizer()
EMBEDDINGS = EmbeddingNames({"style": 2}, TOKENIZER)
NETWORKS = {"lora": {"x"}, "hypernet": {"h"}}


def lints(prompt: str, reading: Reading | None = None) -> list[tuple[str, str]]:
    """Return each lint's rule and the part of the prompt it points at."""
    found = inspect_prompt(prompt, TOKENIZER, reading or Reading(), embeddings=EMBEDDINGS, networks=NETWORKS).lints
    assert all(lint.message.endswith(".") for lint in found)
    return [(lint.rule, prompt[lint.start : lint.stop]) for lint in found]


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "a cat and a dog, (best quality:1.2), [[lowres]], \\(x\\), 12:30, 3 > 2 < 4, rock\\\\roll",
        "a :1.2 AND b :0.5 AND c :-1",
        "[a:b:3] [a::0.5] [b:7] [a|b|] [(a:1.2):b:10]",
        "<lora:x:0.5:te=1> <hypernet:h:0.3>, a",
        "a BREAK b",
        "style, a style",
    ],
)
def test_nothing_is_odd_about_a_usual_prompt(prompt: str) -> None:
    assert lints(prompt) == []


@pytest.mark.parametrize(
    ("prompt", "rule", "place"),
    [
        ("a (b", "unclosed-bracket", "("),
        ("# no (\na [b", "unclosed-bracket", "["),
        ("a (b [c)", "unclosed-bracket", "["),
        ("a b) c", "stray-bracket", ")"),
        ("a \\(b) c", "stray-bracket", ")"),
        ("<lora:x:1> a b] c", "stray-bracket", "]"),
        ("(a:1,2)", "malformed-weight", "1,2"),
        ("(a: 1.2.3 )", "malformed-weight", "1.2.3"),
        ("(a b:2.5) c", "unusual-weight", "a b"),
        ("(((((((((a)))))))))", "unusual-weight", "a"),
        ("(a:-1), b", "unusual-weight", "a"),
        ("(a:0)", "unusual-weight", "a"),
        ("a AND b :9", "unusual-weight", " :9"),
        ("ratio 16:9", "weight-of-all", ":9"),
        ("a,  (B:1.2) c, b C", "repetition", "b C"),
        ("a BREAK a", "repetition", "a"),
        ("a :1.2 and b", "and-as-word", "and"),
        ("a :1 And b", "and-as-word", "And"),
        ("(a AND b)", "and-in-brackets", "AND"),
        ("(a BREAK b)", "break-as-word", "BREAK"),
        ("a <lora:x", "unclosed-tag", "<lora:"),
        ("<lora:x:strong>", "malformed-tag", "<lora:x:strong>"),
        ("a <lora:y:1>", "unresolved-name", "<lora:y:1>"),
        ("a <foo:y:1>", "unresolved-name", "<foo:y:1>"),
        ("a [b|c] | d", "unreadable", "|"),
        ("[a:b:3] \\", "unreadable", "\\"),
        ("x [a:b:20]", "no-change", "[a:b:20]"),
        ("x [a:b:1.0]", "no-change", "[a:b:1.0]"),
        ("x [a:1.2]", "no-change", "[a:1.2]"),
        ("x [a:b:0]", "no-change", "[a:b:0]"),
        ("x [a:b] y", "no-step", "[a:b]"),
        ("x [a::b] y", "no-step", "[a::b]"),
        ("cat " * 76, "torn-phrase", "cat cat"),
        ("cat " * 75 + ", dog", "torn-comma", ","),
        ("cat " * 65 + ", style " + "dog " * 8, "embedding-left-behind", "style"),
    ],
)
def test_what_is_odd_is_pointed_at(prompt: str, rule: str, place: str) -> None:
    assert lints(prompt) == [(rule, place)]


@pytest.mark.parametrize(
    ("prompt", "rule", "place"),
    [("a AND b", "and-in-negative-prompt", "AND"), ("a <lora:x:1>", "tag-in-negative-prompt", "<lora:x:1>")],
)
def test_negative_prompts_have_lints_of_their_own(prompt: str, rule: str, place: str) -> None:
    assert lints(prompt, Reading(negative=True)) == [(rule, place)]


def test_a_negative_prompt_has_no_weight_as_a_whole() -> None:
    assert lints("ratio 16:9", Reading(negative=True)) == []


def test_without_emphasis_brackets_are_no_matter() -> None:
    assert lints("(a [b:1,2)", Reading(emphasis="None")) == []
    assert lints("a BREAK b", Reading(emphasis="None")) == [("break-as-word", "BREAK")]
    assert lints("(a:5)", Reading(emphasis="Ignore")) == []


def test_a_change_may_come_in_either_pass() -> None:
    assert lints("[a:b:25] [c:d:1.5] [e:f:3]", Reading(steps=20, hires_steps=10)) == []
    assert lints("[a:b:30]", Reading(steps=20, hires_steps=10)) == [("no-change", "[a:b:30]")]


def test_a_chunk_that_ends_with_a_comma_or_break_tears_nothing() -> None:
    assert lints("cat " * 74 + ", dog") == []
    assert lints("cat " * 70 + "BREAK dog") == []
    assert lints("cat " * 60 + ", " + "dog " * 20) == []


def test_lints_that_hold_at_several_stages_are_said_once() -> None:
    assert lints("[a|b] (x:5)") == [("unusual-weight", "x")]


def test_lints_stay_few() -> None:
    assert lints("a)" * 1000).count(("stray-bracket", ")")) == MAX_LINTS
