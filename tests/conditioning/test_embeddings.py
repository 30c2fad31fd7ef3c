from collections.abc import Sequence

import torch
from torch import Tensor

from modules.conditioning.embeddings import EmbeddingUse, embedding_use, placed_vectors
from modules.conditioning.encode import EncodedText, TextOptions, encode_texts
from modules.core.cancellation import CancelToken
from modules.prompting.chunks import PromptChunk, chunk_prompt
from modules.prompting.embeddings import EmbeddingNames
from modules.prompting.schedule import prompt_schedule
from modules.prompting.tokenizer import shipped_tokenizer
from modules.sampling.timeline import Timeline
from tests.conditioning.test_encode import TokenTable, prompt_encoder

CAT = 2368


class Known:
    """Embeddings of 6 numbers a vector for the first text encoder, and the double of them for each further one."""

    def __init__(self, encoders: int = 1, **counts: int) -> None:
        self.names_read = EmbeddingNames(counts, shipped_tokenizer())
        self._vectors = {
            name: torch.randn(count, 6, generator=torch.Generator().manual_seed(count))
            for name, count in counts.items()
        }
        self._encoders = encoders

    def names(self, encoder: int) -> EmbeddingNames:
        assert encoder < self._encoders
        return self.names_read

    def vectors(self, name: str, encoder: int) -> Tensor:
        return self._vectors[name] * (encoder + 1)


def encode(
    text: str, known: Known | None, *tables: TokenTable, options: TextOptions | None = None
) -> Timeline[EncodedText]:
    encoder = prompt_encoder(*tables)
    schedule = prompt_schedule(text, 20)
    return encode_texts(encoder, schedule, options or TextOptions(), token=CancelToken(), embeddings=known)


def vectors(text: str, known: Known | None = None, *tables: TokenTable) -> Tensor:
    return encode(text, known, *tables).at(0).vectors


def chunks(text: str, known: Known) -> Sequence[PromptChunk]:
    return chunk_prompt(text, shipped_tokenizer(), backtrack=20, embeddings=known.names(0)).chunks


def test_vectors_stand_where_their_name_stood() -> None:
    known = Known(style=3)
    got = vectors("a cat style sits", known)
    assert got[:, 3:6].equal(known.vectors("style", 0)[None])
    plain = vectors("a cat cat cat cat sits")
    got[:, 3:6] = plain[:, 3:6]
    assert got.equal(plain)


def test_in_each_chunk_and_text() -> None:
    known = Known(style=2)
    text = "style [cat:style:5] " + "cat " * 72 + "style"
    timeline = encode(text, known)
    placed = known.vectors("style", 0)
    first, second = timeline.at(0).vectors[0], timeline.at(10).vectors[0]
    for said, places in ((first, (1, 78)), (second, (1, 3, 79))):
        for place in range(1, 150):
            assert said[place : place + 2].equal(placed) == (place in places), place


def test_names_are_weighted_as_words_are() -> None:
    known, options = Known(style=2), TextOptions(emphasis="No norm")
    weighted = encode("(style:1.5)", known, options=options).at(0).vectors
    torch.testing.assert_close(weighted[0, 1:3], known.vectors("style", 0) * 1.5)


def test_old_emphasis_knows_them_too() -> None:
    known, options = Known(style=2), TextOptions(emphasis="No norm", old_emphasis=True)
    assert encode("style", known, options=options).at(0).vectors[0, 1:3].equal(known.vectors("style", 0))


def test_each_encoder_gets_its_own_vectors() -> None:
    known = Known(encoders=2, style=2)
    left, right = vectors("a style", known, TokenTable(seed=1), TokenTable(seed=2)).chunk(2, 2)
    assert left[0, 2:4].equal(known.vectors("style", 0))
    assert right[0, 2:4].equal(known.vectors("style", 1))


def test_what_is_beyond_a_chunk_is_cut_off() -> None:
    known = Known(style=80)
    got = vectors("style cat", known)
    assert got[0, 1:76].equal(known.vectors("style", 0)[:75])
    assert got[0, [76, 77]].equal(vectors("cat")[0, [76, 0]])


def test_without_embeddings_names_are_words() -> None:
    assert vectors("a style").equal(vectors("a style", Known(other=1)))
    assert not vectors("a style").equal(vectors("a style", Known(style=1)))


def test_places_are_counted_from_the_start_token() -> None:
    known = Known(style=2)
    (chunk,) = chunks("a style", known)
    (placed,) = placed_vectors(chunk, known, 0)
    assert placed.place == 2
    assert placed.vectors.equal(known.vectors("style", 0))


def test_use_is_said_in_the_order_in_which_encoders_meet_it() -> None:
    known = Known(encoders=2, one=1, two=1, three=2, wrong=0)
    first, second = chunks("two BREAK one wrong", known), chunks("three wrong BREAK two", known)
    use = embedding_use([[first, second], [second, first]], known)
    assert use == EmbeddingUse(used=(("two", "three", "one"), ("three", "two", "one")), unusable=("wrong",))


def test_texts_tell_which_embeddings_they_and_those_beside_them_name() -> None:
    known = Known(one=1, two=1, wrong=0)
    timeline = encode("one wrong [cat:two:5]", known)
    expected = EmbeddingUse(used=(("one", "two"),), unusable=("wrong",))
    assert [text.embeddings for text in timeline.values] == [expected, expected]
    assert encode("cat", known).at(0).embeddings == EmbeddingUse(used=((),))
    assert encode("one", None).at(0).embeddings == EmbeddingUse()
