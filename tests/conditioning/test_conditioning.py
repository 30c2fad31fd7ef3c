import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from modules.conditioning.conditioning import MAX_REPEATED_TOKENS, Conditioning, stack


def conditioning(pictures: int, tokens: int) -> Conditioning:
    return Conditioning(cross_attention=torch.randn(pictures, tokens, 8))


def whole(pictures: int, tokens: int = 77) -> Conditioning:
    """Return a conditioning with all parts."""
    return Conditioning(
        cross_attention=torch.randn(pictures, tokens, 8),
        vector=torch.randn(pictures, 6),
        concat=torch.randn(pictures, 5, 4, 4),
    )


def parts(*conditionings: Conditioning) -> list[Tensor]:
    """Return vector and concat of conditionings, one after the other."""
    vectors = [one.vector for one in conditionings if one.vector is not None]
    concats = [one.concat for one in conditionings if one.concat is not None]
    return [torch.cat(vectors), torch.cat(concats)]


def test_join_puts_one_after_the_other() -> None:
    first, second = whole(2), whole(3)
    joined = first.join(second)
    assert joined is not None
    assert joined.cross_attention.equal(torch.cat((first.cross_attention, second.cross_attention)))
    assert all(one.equal(other) for one, other in zip(parts(joined), parts(first, second), strict=True))


def test_parts_that_are_not_there_stay_away() -> None:
    for made in (stack([conditioning(1, 77)] * 2), conditioning(1, 77).join(conditioning(1, 154))):
        assert made is not None
        assert (made.vector, made.concat) == (None, None)


def test_conditionings_of_different_models_do_not_go_together() -> None:
    with pytest.raises(ValueError, match="different kinds of models"):
        whole(1).join(conditioning(1, 77))


def test_joining_unequal_lengths_changes_no_attention() -> None:
    first, second = conditioning(1, 154), conditioning(1, 231)
    joined = first.join(second)
    assert joined is not None
    assert joined.cross_attention.shape == (2, 462, 8)
    query = torch.randn(1, 16, 8)
    for i, alone in enumerate((first.cross_attention, second.cross_attention)):
        together = joined.cross_attention[i : i + 1]
        expected = scaled_dot_product_attention(query, alone, alone.flip(2))
        torch.testing.assert_close(scaled_dot_product_attention(query, together, together.flip(2)), expected)


def test_join_refuses_what_would_become_too_long() -> None:
    assert conditioning(1, 77 * 5).join(conditioning(1, 77 * 7)) is None
    assert conditioning(1, 77 * 20).join(conditioning(1, 77 * 20)) is not None
    longest = conditioning(1, MAX_REPEATED_TOKENS).join(conditioning(1, 77))
    assert longest is not None


def test_channels_are_the_same_for_all_pictures_or_those_of_each() -> None:
    two = conditioning(2, 77)
    one, each = torch.randn(1, 5, 4, 4), torch.randn(2, 5, 4, 4)
    shared = two.with_concat(one).concat
    assert shared is not None
    assert shared.equal(one.expand(2, -1, -1, -1))
    given = two.with_concat(each).concat
    assert given is not None
    assert given.equal(each)


def test_stack_makes_one_of_all_pictures() -> None:
    first, second = whole(1), whole(2)
    stacked = stack([first, second])
    assert stacked.cross_attention.equal(torch.cat((first.cross_attention, second.cross_attention)))
    assert all(one.equal(other) for one, other in zip(parts(stacked), parts(first, second), strict=True))


def test_stack_fills_shorter_texts_with_their_last_vector() -> None:
    short, long = conditioning(2, 77), conditioning(1, 154)
    stacked = stack([short, long]).cross_attention
    assert stacked.shape == (3, 154, 8)
    assert stacked[:2, :77].equal(short.cross_attention)
    assert stacked[:2, 77:].equal(short.cross_attention[:, -1:].expand(2, 77, 8))
    assert stacked[2:].equal(long.cross_attention)
