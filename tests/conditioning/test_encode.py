from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from modules.conditioning.encode import CHUNKS_AT_ONCE, emphasised, encode_prompts
from modules.prompting.tokenizer import ClipTokenizer, shipped_tokenizer

EMPHASIS = Path(__file__).parents[1] / "data" / "conditioning" / "emphasis.npz"


class TokenTable:
    """A text encoder that looks each token up in a table, scaled by the clip skip."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        self._table = torch.randn(49408, 6, generator=torch.Generator().manual_seed(0)).to(dtype) + 0.5
        self.batches: list[int] = []

    @property
    def tokenizer(self) -> ClipTokenizer:
        return shipped_tokenizer()

    def encode(self, tokens: Tensor, clip_skip: int) -> Tensor:
        assert tokens.dtype == torch.int64
        assert tokens.shape[1:] == (77,)
        self.batches.append(len(tokens))
        return self._table[tokens] * clip_skip


def encode(*texts: str, encoder: TokenTable | None = None, clip_skip: int = 1) -> Tensor:
    return encode_prompts(encoder or TokenTable(), texts, clip_skip=clip_skip, backtrack=20).cross_attention


@pytest.mark.parametrize("case", ["e20", "e21"])
def test_emphasis_is_as_recorded(case: str) -> None:
    with np.load(EMPHASIS) as arrays:
        z, multipliers, expected = (torch.tensor(arrays[f"{case}.{name}"]) for name in ("z", "multipliers", "result"))
    torch.testing.assert_close(emphasised(z, multipliers), expected, rtol=1e-6, atol=1e-6)


def test_no_emphasis_changes_nothing() -> None:
    z = torch.randn(1, 77, 8)
    assert emphasised(z, torch.ones(1, 77)).equal(z)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_emphasis_keeps_the_dtype(dtype: torch.dtype) -> None:
    z = (torch.randn(1, 77, 8) + 1).to(dtype)
    weights = torch.linspace(0.5, 1.5, 77)[None]
    result = emphasised(z, weights)
    assert result.dtype == dtype
    assert result.equal(emphasised(z.float(), weights).to(dtype))


def test_a_text_is_its_chunks_one_after_the_other() -> None:
    both = encode("a (cat:1.3) BREAK (dog:0.7) b")
    assert both.shape == (1, 154, 6)
    assert both[:, :77].equal(encode("a (cat:1.3)"))
    torch.testing.assert_close(both[:, 77:], encode("(dog:0.7) b"))


def test_the_empty_text_is_one_chunk() -> None:
    table = TokenTable()
    expected = table.encode(torch.tensor([[49406, *[49407] * 76]]), 1)
    assert encode("").equal(expected)


def test_a_text_does_not_depend_on_its_neighbours() -> None:
    together = encode("a cat", "a (dog:1.4) BREAK b", "a cat")
    assert together.shape == (3, 154, 6)
    assert together[:1, :77].equal(encode("a cat"))
    assert together[0, 77:].equal(together[0, 76].expand(77, 6))  # filled up with its last vector
    assert together[1:2].equal(encode("a (dog:1.4) BREAK b"))
    assert together[2].equal(together[0])


def test_equal_texts_are_encoded_once() -> None:
    encoder = TokenTable()
    encode("a", "b", "a", encoder=encoder)
    assert encoder.batches == [1, 1]


def test_clip_skip_reaches_the_encoder() -> None:
    torch.testing.assert_close(encode("a cat", clip_skip=2), encode("a cat") * 2)


def test_very_long_texts_are_encoded_in_portions() -> None:
    encoder = TokenTable()
    chunks = 2 * CHUNKS_AT_ONCE + 3
    assert encode("cat " * 75 * chunks, encoder=encoder).shape == (1, 77 * chunks, 6)
    assert encoder.batches == [CHUNKS_AT_ONCE, CHUNKS_AT_ONCE, 3]
