from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from modules.conditioning.conditioning import Conditioning
from modules.conditioning.encode import CHUNKS_AT_ONCE, emphasised, encode_prompts, encode_schedule
from modules.core.cancellation import CancelToken
from modules.core.errors import Interrupted
from modules.prompting.schedule import prompt_schedule
from modules.prompting.tokenizer import ClipTokenizer, shipped_tokenizer
from modules.sampling.timeline import Timeline

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


def scheduled(
    text: str, steps: int, *, encoder: TokenTable | None = None, token: CancelToken | None = None
) -> Timeline[Conditioning]:
    schedule = prompt_schedule(text, steps)
    return encode_schedule(encoder or TokenTable(), schedule, clip_skip=1, backtrack=20, token=token or CancelToken())


@pytest.mark.parametrize("case", ["e20", "e21"])
def test_emphasis_is_as_recorded(case: str) -> None:
    with np.load(EMPHASIS) as arrays:
        z, multipliers, expected = (torch.tensor(arrays[f"{case}.{name}"]) for name in ("z", "multipliers", "result"))
    torch.testing.assert_close(emphasised(z, multipliers, torch.ones(len(z))), expected, rtol=1e-6, atol=1e-6)


def test_no_emphasis_changes_nothing() -> None:
    z = torch.randn(1, 77, 8)
    assert emphasised(z, torch.ones(1, 77), torch.ones(1)).equal(z)


def test_a_text_counts_as_often_as_it_occurs() -> None:
    z, weights = torch.randn(2, 77, 8) + 1, torch.rand(2, 77) + 0.5
    often = [0, 1, 1, 1]
    expected = emphasised(z[often], weights[often], torch.ones(4))[:2]
    torch.testing.assert_close(emphasised(z, weights, torch.tensor([1.0, 3.0])), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_emphasis_keeps_the_dtype(dtype: torch.dtype) -> None:
    z = (torch.randn(1, 77, 8) + 1).to(dtype)
    weights = torch.linspace(0.5, 1.5, 77)[None]
    result = emphasised(z, weights, torch.ones(1))
    assert result.dtype == dtype
    assert result.equal(emphasised(z.float(), weights, torch.ones(1)).to(dtype))


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


@pytest.mark.parametrize("text", ["a cat", "", "a (cat:1.3) BREAK (dog:0.7) b"])
def test_a_schedule_that_never_changes_is_its_text(text: str) -> None:
    timeline = scheduled(text, 20)
    assert timeline.at(0).cross_attention.equal(encode(text))
    assert timeline.at(0) is timeline.at(19)


def test_stages_of_a_schedule_take_turns() -> None:
    timeline = scheduled("[a cat:a dog:3]", 8)
    assert [timeline.at(call).cross_attention.equal(encode("a cat")) for call in range(8)] == [True] * 4 + [False] * 4
    assert timeline.at(4).cross_attention.equal(encode("a dog"))


def test_equal_stages_are_encoded_once() -> None:
    encoder = TokenTable()
    timeline = scheduled("[a|b]", 20, encoder=encoder)
    assert encoder.batches == [2]
    assert timeline.at(2) is timeline.at(4) is not timeline.at(3)


def test_shorter_stages_are_filled_with_empty_chunks() -> None:
    timeline = scheduled("[a cat:a BREAK dog:3]", 8)
    assert timeline.at(0).cross_attention.equal(torch.cat((encode("a cat"), encode("")), dim=1))
    assert timeline.at(4).cross_attention.equal(encode("a BREAK dog"))


def test_emphasis_is_balanced_over_the_stages_of_a_schedule() -> None:
    text = "a [(cat:1.5)|dog|]"
    together = [scheduled(text, 20).at(call).cross_attention[0] for call in (1, 2, 3)]
    z = torch.stack([encode(plain)[0] for plain in ("a cat", "a dog", "a ")])
    weights = torch.ones(3, 77)
    weights[0, 2] = 1.5
    torch.testing.assert_close(torch.stack(together), emphasised(z, weights, torch.tensor([7.0, 7.0, 6.0])))
    assert not together[0].equal(encode("a (cat:1.5)")[0])


def test_encoding_a_schedule_can_be_interrupted() -> None:
    encoder, token = TokenTable(), CancelToken()
    token.interrupt()
    with pytest.raises(Interrupted):
        scheduled("[a|b]", 20, encoder=encoder, token=token)
    assert encoder.batches == []
