import pytest

from modules.prompting.chunks import EmbeddingFix
from modules.prompting.embeddings import EmbeddingNames
from modules.prompting.old_emphasis import chunk_prompt_old
from modules.prompting.tokenizer import shipped_tokenizer

TOKENIZER = shipped_tokenizer()


def test_brackets_weigh_what_follows_and_numbers_are_words() -> None:
    (chunk,) = chunk_prompt_old("a (red cat:1.3) [dog] x", TOKENIZER).chunks
    words = TOKENIZER.encode("a red cat:1.3 dog x")
    assert chunk.tokens[1 : len(words) + 1] == tuple(words)
    assert chunk.multipliers[:11] == pytest.approx([1, 1, *[1.1] * 6, 1 / 1.1, 1, 1])


def test_what_is_too_long_is_left_out() -> None:
    chunked = chunk_prompt_old("cat " * 100, TOKENIZER)
    assert chunked.token_count == 75
    assert len(chunked.chunks) == 1
    assert len(chunked.chunks[0].tokens) == 77


def test_without_emphasis_brackets_are_text() -> None:
    (chunk,) = chunk_prompt_old("(cat)", TOKENIZER, emphasis="None").chunks
    assert chunk.tokens[1:4] == tuple(TOKENIZER.encode("(cat)"))
    assert set(chunk.multipliers) == {1.0}


def test_embeddings_are_placed() -> None:
    names = EmbeddingNames({"style": 3}, TOKENIZER)
    (chunk,) = chunk_prompt_old("a (style) " + "cat " * 70 + "style", TOKENIZER, embeddings=names).chunks
    assert chunk.fixes == (EmbeddingFix(1, "style", 3), EmbeddingFix(74, "style", 1))
    assert chunk.multipliers[2:5] == (1.1,) * 3


@pytest.mark.timeout(20)
@pytest.mark.parametrize("unit", ["(", "[", "()", "a ", "((a"])
def test_long_hostile_texts_end_soon(unit: str) -> None:
    assert chunk_prompt_old(unit * (100_000 // len(unit)), TOKENIZER)
