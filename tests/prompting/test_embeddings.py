from typing import Any

import pytest

from modules.prompting.chunks import EMBEDDING_TOKEN, EmbeddingFix, PromptChunk, chunk_prompt
from modules.prompting.embeddings import EmbeddingMatch, EmbeddingNames
from modules.prompting.tokenizer import shipped_tokenizer
from tests.prompting.recordings import recorded
from tests.prompting.test_chunks import as_recorded

CAT = 2368
COMMA = 267


def chunks(prompt: str, backtrack: int = 20, **vectors: int) -> tuple[PromptChunk, ...]:
    tokenizer = shipped_tokenizer()
    return chunk_prompt(prompt, tokenizer, backtrack=backtrack, embeddings=EmbeddingNames(vectors, tokenizer)).chunks


@pytest.mark.parametrize("case", recorded("embeddings"), ids=lambda case: case["id"])
def test_embeddings_are_placed_as_recorded(case: Any) -> None:
    tokenizer = shipped_tokenizer()
    names = EmbeddingNames(recorded("embeddings", "vectors"), tokenizer)
    chunked = chunk_prompt(case["prompt"], tokenizer, backtrack=case["backtrack"], embeddings=names)
    assert chunked.token_count == case["count"]
    assert [as_recorded(chunk) for chunk in chunked.chunks] == case["chunks"]


def test_the_longest_name_wins() -> None:
    tokenizer = shipped_tokenizer()
    names = EmbeddingNames({"a": 1, "a cat": 2, "a cat sits": 3, "": 4, "dog": 0}, tokenizer)
    tokens = tokenizer.encode("a cat sleeps, dog")
    assert names.at(tokens, 0) == EmbeddingMatch(name="a cat", vectors=2, length=2)
    assert [names.at(tokens, place) for place in range(1, len(tokens))] == [None] * 4


def test_of_equal_names_the_first_one_counts() -> None:
    (chunk,) = chunks("STYLE", Style=2, style=3)
    assert chunk.fixes == (EmbeddingFix(0, "Style", 2),)


def test_names_reach_over_no_border_of_emphasis() -> None:
    (chunk,) = chunks("bad (hands)", **{"bad hands": 2})
    assert chunk.fixes == ()


def test_an_embedding_that_does_not_fit_begins_the_next_chunk() -> None:
    first, second = chunks("cat " * 74 + "style", style=2)
    assert first.tokens[1:76] == (CAT,) * 74 + (49407,)
    assert (first.fixes, second.fixes) == ((), (EmbeddingFix(0, "style", 2),))


def test_an_embedding_larger_than_a_chunk_is_cut_off() -> None:
    first, second = chunks("style cat", style=80)
    assert first.tokens[1:76] == (EMBEDDING_TOKEN,) * 75
    assert first.fixes == (EmbeddingFix(0, "style", 75),)
    assert second.tokens[1] == CAT


def test_fixes_stay_where_they_were_when_tokens_move_as_in_a1111() -> None:
    first, second = chunks("cat " * 65 + ", style " + "dog " * 8, style=2)
    assert first.tokens[1:67] == (CAT,) * 65 + (COMMA,)
    assert first.fixes == (EmbeddingFix(66, "style", 2),)
    assert second.tokens[1:3] == (EMBEDDING_TOKEN,) * 2
    assert second.fixes == ()


def test_no_embeddings_means_words() -> None:
    (chunk,) = chunks("style")
    assert chunk.fixes == ()
    assert chunk.tokens[1:2] == tuple(shipped_tokenizer().encode("style"))


class Counts(dict[str, int]):
    """Remembers what it was asked for."""

    asked: list[str]

    def __getitem__(self, name: str) -> int:
        self.asked.append(name)
        return super().__getitem__(name)


def test_how_many_vectors_there_are_is_asked_only_for_what_is_named() -> None:
    tokenizer = shipped_tokenizer()
    counts = Counts({"dog": 1, "cat": 2, "cattle": 3})
    counts.asked = []
    names = EmbeddingNames(counts, tokenizer)
    assert counts.asked == []
    assert chunk_prompt("a cat", tokenizer, backtrack=20, embeddings=names).chunks[0].fixes == (
        EmbeddingFix(1, "cat", 2),
    )
    assert set(counts.asked) == {"cat"}


def test_of_equal_names_the_first_one_that_can_be_used_counts() -> None:
    (chunk,) = chunks("STYLE", Style=0, style=3, STYLE=4)
    assert chunk.fixes == (EmbeddingFix(0, "style", 3),)


def test_what_cannot_be_used_is_text_and_gives_way_to_a_shorter_name() -> None:
    both = {"bad hands": 0, "bad": 1}
    (chunk,) = chunks("bad hands", **both)
    (hands,) = shipped_tokenizer().encode("hands")
    assert chunk.tokens[1:3] == (EMBEDDING_TOKEN, hands)
    (chunk,) = chunks("bad hands", **{"bad hands": 0})
    assert chunk.tokens[1:3] == tuple(shipped_tokenizer().encode("bad hands"))


def test_unusable_names_are_found_each_once() -> None:
    tokenizer = shipped_tokenizer()
    names = EmbeddingNames({"style": 1, "bad hands": 0, "odd": 0, "else": 0}, tokenizer)
    assert names.unusable(tokenizer.encode("odd, style, bad hands, odd hands")) == ["odd", "bad hands"]
    assert names.unusable([]) == []
