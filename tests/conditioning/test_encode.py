from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from modules.conditioning.conditioning import Conditioning
from modules.conditioning.embeddings import PlacedVectors
from modules.conditioning.emphasis import emphasised
from modules.conditioning.encode import (
    CHUNKS_AT_ONCE,
    EncodedChunks,
    EncodedText,
    PictureFacts,
    PromptEncoder,
    TextEncoder,
    TextOptions,
    condition_texts,
    encode_texts,
)
from modules.core.cancellation import CancelToken
from modules.core.errors import Interrupted
from modules.prompting.schedule import prompt_schedule
from modules.prompting.tokenizer import ClipTokenizer, shipped_open_clip_tokenizer, shipped_tokenizer
from modules.sampling.timeline import Timeline

PICTURE = PictureFacts(width=512, height=768)


class TokenTable:
    """A text encoder that looks each token up in a table, scaled by the clip skip."""

    def __init__(self, *, pools: bool = False, seed: int = 0, tokenizer: ClipTokenizer | None = None) -> None:
        self._table = torch.randn(49408, 6, generator=torch.Generator().manual_seed(seed)) + 0.5
        self._pools = pools
        self.module = nn.Identity()
        self.tokenizer = tokenizer or shipped_tokenizer()
        self.width = 6
        self.embedding_key = "clip_l"
        self.batches: list[int] = []

    def encode(
        self,
        tokens: Tensor,
        clip_skip: int,
        *,
        optional: bool = False,
        placed: Sequence[Sequence[PlacedVectors]] = (),
    ) -> EncodedChunks:
        assert tokens.dtype == torch.int64
        assert tokens.shape[1:] == (77,)
        self.batches.append(len(tokens))
        vectors = self._table[tokens]
        for chunk, all_placed in zip(vectors, placed, strict=bool(placed)):
            for place, replacing in all_placed:
                chunk[place : place + len(replacing)] = replacing
        vectors = vectors * (clip_skip + 10 * optional)
        return EncodedChunks(vectors=vectors, pooled=vectors.sum(1) if self._pools else None)


def all_told(text: EncodedText, picture: PictureFacts, *, negative: bool) -> Conditioning:
    """A family that passes on all it knows."""
    facts = torch.tensor([[picture.width, picture.height, negative, text.empty]]).float()
    pooled = torch.zeros(1, 0) if text.pooled is None else text.pooled
    return Conditioning(cross_attention=text.vectors, vector=torch.cat((facts, pooled), 1))


def prompt_encoder(*encoders: TextEncoder) -> PromptEncoder:
    return PromptEncoder(encoders=encoders or (TokenTable(),), condition=all_told)


def scheduled(
    text: str,
    steps: int = 20,
    *,
    encoders: Sequence[TextEncoder] = (),
    options: TextOptions | None = None,
    negative: bool = False,
    token: CancelToken | None = None,
) -> Timeline[Conditioning]:
    encoder = prompt_encoder(*encoders)
    schedule = prompt_schedule(text, steps)
    texts = encode_texts(encoder, schedule, options or TextOptions(), token=token or CancelToken())
    return condition_texts(encoder, texts, picture=PICTURE, negative=negative)


def encode(text: str, *, encoders: Sequence[TextEncoder] = (), options: TextOptions | None = None) -> Tensor:
    return scheduled(text, encoders=encoders, options=options).at(0).cross_attention


def vector(told: Conditioning) -> list[float]:
    assert told.vector is not None
    return [number.item() for number in told.vector[0]]


def test_a_text_is_its_chunks_one_after_the_other() -> None:
    both = encode("a (cat:1.3) BREAK (dog:0.7) b")
    assert both.shape == (1, 154, 6)
    assert both[:, :77].equal(encode("a (cat:1.3)"))
    torch.testing.assert_close(both[:, 77:], encode("(dog:0.7) b"))


def test_the_empty_text_is_one_chunk() -> None:
    expected = TokenTable().encode(torch.tensor([[49406, *[49407] * 76]]), 1).vectors
    assert encode("").equal(expected)


def test_clip_skip_reaches_the_encoder() -> None:
    torch.testing.assert_close(encode("a cat", options=TextOptions(clip_skip=2)), encode("a cat") * 2)
    optional = encode("a cat", options=TextOptions(clip_skip=2, optional_clip_skip=True))
    torch.testing.assert_close(optional, encode("a cat") * 12)


def test_the_way_of_emphasis_is_an_option() -> None:
    weights = torch.ones(1, 77)
    weights[0, 2] = 1.5
    for mode in ("Original", "No norm", "Ignore"):
        expected = emphasised(encode("a cat"), weights, torch.ones(1), mode)
        torch.testing.assert_close(encode("a (cat:1.5)", options=TextOptions(emphasis=mode)), expected)
    literal = encode("a (cat:1.5)", options=TextOptions(emphasis="None"))
    assert literal.equal(encode(r"a \(cat:1.5\)"))


def test_emphasis_can_be_read_as_it_once_was() -> None:
    old = encode("a (cat) [dog]", options=TextOptions(old_emphasis=True))
    weights = torch.ones(1, 77)
    weights[0, 2], weights[0, 3] = 1.1, 1 / 1.1
    torch.testing.assert_close(old, emphasised(encode("a cat dog"), weights, torch.ones(1), "Original"))


def test_backtrack_is_an_option() -> None:
    text = "cat " * 70 + ", " + "dog " * 10
    assert not encode(text, options=TextOptions(backtrack=0)).equal(encode(text, options=TextOptions(backtrack=20)))


def test_very_long_texts_are_encoded_in_portions() -> None:
    encoder = TokenTable(pools=True)
    chunks = 2 * CHUNKS_AT_ONCE + 3
    assert encode("cat " * 75 * chunks, encoders=[encoder]).shape == (1, 77 * chunks, 6)
    assert encoder.batches == [CHUNKS_AT_ONCE, CHUNKS_AT_ONCE, 3]


@pytest.mark.parametrize("text", ["a cat", "", "a (cat:1.3) BREAK (dog:0.7) b"])
def test_a_schedule_that_never_changes_is_its_text(text: str) -> None:
    timeline = scheduled(text)
    assert timeline.at(0).cross_attention.equal(encode(text))
    assert timeline.at(0) is timeline.at(19)


def test_stages_of_a_schedule_take_turns() -> None:
    timeline = scheduled("[a cat:a dog:3]", 8)
    assert [timeline.at(call).cross_attention.equal(encode("a cat")) for call in range(8)] == [True] * 4 + [False] * 4
    assert timeline.at(4).cross_attention.equal(encode("a dog"))


def test_equal_stages_are_encoded_once() -> None:
    encoder = TokenTable()
    timeline = scheduled("[a|b]", encoders=[encoder])
    assert encoder.batches == [2]
    assert timeline.at(2) is timeline.at(4) is not timeline.at(3)


def test_shorter_stages_are_filled_with_empty_chunks() -> None:
    timeline = scheduled("[a cat:a BREAK dog:3]", 8)
    assert timeline.at(0).cross_attention.equal(torch.cat((encode("a cat"), encode("")), dim=1))
    assert timeline.at(4).cross_attention.equal(encode("a BREAK dog"))


def test_emphasis_is_balanced_over_the_stages_of_a_schedule() -> None:
    text = "a [(cat:1.5)|dog|]"
    together = [scheduled(text).at(call).cross_attention[0] for call in (1, 2, 3)]
    z = torch.stack([encode(plain)[0] for plain in ("a cat", "a dog", "a ")])
    weights = torch.ones(3, 77)
    weights[0, 2] = 1.5
    expected = emphasised(z, weights, torch.tensor([7.0, 7.0, 6.0]), "Original")
    torch.testing.assert_close(torch.stack(together), expected)
    assert not together[0].equal(encode("a (cat:1.5)")[0])


def test_encoding_a_schedule_can_be_interrupted() -> None:
    encoder, token = TokenTable(), CancelToken()
    token.interrupt()
    with pytest.raises(Interrupted):
        scheduled("[a|b]", encoders=[encoder], token=token)
    assert encoder.batches == []


# Several text encoders


def test_encoders_stand_side_by_side_each_with_its_own_emphasis() -> None:
    one, other = TokenTable(seed=1), TokenTable(seed=2)
    text = "a (cat:1.4) BREAK dog"
    expected = torch.cat((encode(text, encoders=[one]), encode(text, encoders=[other])), 2)
    assert encode(text, encoders=[one, other]).equal(expected)


def test_what_is_pooled_is_that_of_the_first_chunk_of_the_encoders_that_pool() -> None:
    silent, one, other = TokenTable(seed=1), TokenTable(seed=2, pools=True), TokenTable(seed=3, pools=True)
    told = scheduled("[a (cat:1.4) BREAK b:c:3]", 8, encoders=[silent, one, other])
    for call, chunk in ((0, "a cat"), (4, "c")):
        tokens = [49406, *shipped_tokenizer().encode(chunk)]
        ids = torch.tensor([tokens + [49407] * (77 - len(tokens))])
        expected = torch.cat([table.encode(ids, 1).vectors.sum(1) for table in (one, other)], 1)
        torch.testing.assert_close(told.at(call).vector, torch.cat((torch.tensor([[512.0, 768, 0, 0]]), expected), 1))


def test_each_encoder_reads_the_text_with_its_own_tokenizer() -> None:
    one, other = TokenTable(), TokenTable(tokenizer=shipped_open_clip_tokenizer())
    text = "cat <|endoftext|>"
    left, right = encode(text, encoders=[one, other]).chunk(2, 2)
    assert left.equal(encode(text, encoders=[one]))
    assert right.equal(encode(text, encoders=[other]))
    assert not left.equal(right)


def test_encoders_that_count_differently_get_as_many_chunks() -> None:
    # One token for the first encoder, several for the second one.
    one, other = TokenTable(), TokenTable(tokenizer=shipped_open_clip_tokenizer())
    text = "<|endoftext|> " * 40
    left, right = encode(text, encoders=[one, other]).chunk(2, 2)
    assert right.equal(encode(text, encoders=[other]))
    assert left[:, :77].equal(encode(text, encoders=[one]))
    assert left[:, 77:154].equal(encode("", encoders=[one]))


# What the family is told


def test_the_family_is_told_picture_and_side() -> None:
    assert vector(scheduled("a cat").at(0)) == [512, 768, 0, 0]
    assert vector(scheduled("a cat", negative=True).at(0)) == [512, 768, 1, 0]
    assert vector(scheduled("", negative=True).at(0)) == [512, 768, 1, 1]


@pytest.mark.parametrize(
    ("text", "empty"), [("", True), ("a", False), (" ", False), ("[:blurry:4]", False), ("[:(:0)]", False)]
)
def test_a_prompt_is_empty_if_no_stage_says_anything(text: str, empty: bool) -> None:
    timeline = scheduled(text, 8, negative=True)
    assert [vector(timeline.at(call))[3] for call in (0, 7)] == [empty, empty]


def test_silenced_texts_are_zeros_of_the_same_shape() -> None:
    said = EncodedText(vectors=torch.ones(1, 77, 6), pooled=torch.ones(1, 3), empty=True)
    silenced = said.silenced()
    assert silenced.vectors.equal(torch.zeros(1, 77, 6))
    assert silenced.pooled is not None
    assert silenced.pooled.equal(torch.zeros(1, 3))
    assert EncodedText(vectors=said.vectors, pooled=None, empty=True).silenced().pooled is None


def test_encoded_texts_are_good_for_pictures_of_any_size() -> None:
    table = TokenTable()
    encoder = prompt_encoder(table)
    texts = encode_texts(encoder, prompt_schedule("[a|b]", 20), TextOptions(), token=CancelToken())
    for side in (512, 1024):
        told = condition_texts(encoder, texts, picture=PictureFacts(width=side, height=side), negative=False)
        assert vector(told.at(3))[:2] == [side, side]
        assert told.at(2) is told.at(4) is not told.at(3)
    assert table.batches == [2]
