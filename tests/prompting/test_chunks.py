from typing import Any

import pytest

from modules.prompting.chunks import chunk_prompt, count_tokens
from modules.prompting.tokenizer import shipped_tokenizer
from tests.prompting.recordings import recorded


@pytest.mark.parametrize("case", recorded("chunks"), ids=lambda case: case["id"])
def test_chunks_as_recorded(case: Any) -> None:
    chunked = chunk_prompt(case["prompt"], shipped_tokenizer(), backtrack=case["backtrack"])

    assert chunked.token_count == case["count"]
    assert len(chunked.chunks) == len(case["chunks"])
    for chunk, expected in zip(chunked.chunks, case["chunks"], strict=True):
        padding = 75 - len(expected["tokens"])
        weights = [weight for weight, run in expected["weights"] for _ in range(run)]
        assert chunk.tokens == (49406, *expected["tokens"], *[49407] * padding, 49407)
        assert chunk.multipliers == (1.0, *weights, *[1.0] * padding, 1.0)


@pytest.mark.parametrize(
    "case", recorded("chunks", "counter"), ids=lambda case: f"{case['text'][:20]} {case.get('steps', '')}"
)
def test_counter_shows_as_recorded(case: Any) -> None:
    assert str(count_tokens(case["text"], shipped_tokenizer(), steps=case.get("steps", 20))) == case["shown"]


def test_the_empty_prompt_is_one_chunk() -> None:
    (chunk,) = chunk_prompt("", shipped_tokenizer(), backtrack=20).chunks
    assert chunk.tokens == (49406, *[49407] * 76)
    assert chunk.multipliers == (1.0,) * 77


def test_break_in_brackets_is_a_word() -> None:
    assert len(chunk_prompt("a BREAK b", shipped_tokenizer(), backtrack=20).chunks) == 2
    assert len(chunk_prompt("(a BREAK b:1.3)", shipped_tokenizer(), backtrack=20).chunks) == 1


@pytest.mark.timeout(20)
def test_every_chunk_of_a_very_long_prompt_is_whole() -> None:
    chunks = chunk_prompt("(a, b:1.1) c," * 7_000, shipped_tokenizer(), backtrack=20).chunks
    assert len(chunks) > 400
    assert {len(chunk.tokens) for chunk in chunks} == {len(chunk.multipliers) for chunk in chunks} == {77}
