import torch
from torch.nn.functional import scaled_dot_product_attention

from modules.conditioning.conditioning import MAX_REPEATED_TOKENS, Conditioning, stack_texts


def conditioning(pictures: int, tokens: int) -> Conditioning:
    return Conditioning(cross_attention=torch.randn(pictures, tokens, 8))


def test_join_puts_one_after_the_other() -> None:
    first, second = conditioning(2, 77), conditioning(3, 77)
    joined = first.join(second)
    assert joined is not None
    assert joined.cross_attention.equal(torch.cat((first.cross_attention, second.cross_attention)))


def test_repeated_is_every_picture_again() -> None:
    two = conditioning(2, 77)
    assert two.repeated(3).cross_attention.equal(torch.cat([two.cross_attention] * 3))


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


def test_shorter_texts_are_filled_with_their_last_vector() -> None:
    short, long = torch.randn(77, 8), torch.randn(154, 8)
    stacked = stack_texts([short, long])
    assert stacked.shape == (2, 154, 8)
    assert stacked[0, :77].equal(short)
    assert stacked[0, 77:].equal(short[-1].expand(77, 8))
    assert stacked[1].equal(long)
