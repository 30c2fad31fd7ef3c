from itertools import groupby
from typing import Any

import pytest

from modules.prompting.chunks import PromptChunk, TokenCount, chunk_prompt, count_tokens
from modules.prompting.embeddings import EmbeddingNames
from modules.prompting.tokenizer import shipped_open_clip_tokenizer, shipped_tokenizer
from tests.prompting.recordings import recorded


def as_recorded(chunk: PromptChunk) -> dict[str, Any]:
    """Return a chunk as the recordings have it: without what every chunk begins and ends with."""
    tokens, weights = list(chunk.tokens[1:-1]), list(chunk.multipliers[1:-1])
    while tokens and (tokens[-1], weights[-1]) == (49407, 1.0):
        del tokens[-1], weights[-1]
    runs = [[weight, len(list(run))] for weight, run in groupby(weights)]
    fixes = {"fixes": [list(fix) for fix in chunk.fixes]} if chunk.fixes else {}
    return {"tokens": tokens, "weights": runs} | fixes


@pytest.mark.parametrize("case", recorded("chunks"), ids=lambda case: case["id"])
def test_chunks_as_recorded(case: Any) -> None:
    tokenizer = shipped_open_clip_tokenizer() if case.get("open_clip") else shipped_tokenizer()
    emphasis = case.get("emphasis", "Original")
    chunked = chunk_prompt(case["prompt"], tokenizer, backtrack=case["backtrack"], emphasis=emphasis)

    assert chunked.token_count == case["count"]
    assert TokenCount.of(chunked.token_count).limit == case["limit"]
    assert [as_recorded(chunk) for chunk in chunked.chunks] == case["chunks"]
    assert {(chunk.tokens[0], chunk.tokens[-1]) for chunk in chunked.chunks} == {(49406, 49407)}


@pytest.mark.parametrize(
    "case",
    recorded("chunks", "counter"),
    ids=lambda case: f"{case['text'][:20]} {case.get('steps', '')} {case.get('positive', '')}",
)
def test_counter_shows_as_recorded(case: Any) -> None:
    steps, positive = case.get("steps", 20), case.get("positive", True)
    assert str(count_tokens(case["text"], shipped_tokenizer(), steps=steps, positive=positive)) == case["shown"]


def test_counter_counts_what_is_encoded() -> None:
    tokenizer = shipped_tokenizer()
    assert count_tokens("(cat:1.3)", tokenizer, emphasis="None").count == 7
    assert count_tokens("big", tokenizer, embeddings=EmbeddingNames({"big": 74}, tokenizer)).count == 74
    assert count_tokens("cat, " * 37 + "cat cat", tokenizer, backtrack=0).count == 76
    assert count_tokens("cat " * 60 + ", " + "cat " * 15, tokenizer, backtrack=20).count == 90


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
