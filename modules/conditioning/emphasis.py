"""What the weights of tokens do to their vectors: A1111's option `emphasis`."""

from torch import Tensor

from modules.core.settings import Emphasis


def emphasised(z: Tensor, multipliers: Tensor, counts: Tensor, mode: Emphasis) -> Tensor:
    """Weight token vectors.

    Args:
        z: [N,77,D], the same chunk of N texts that take turns in one prompt.
        multipliers: [N,77].
        counts: [N], how often each text counts in the means.
        mode: "No norm" multiplies vectors by their weights; "Original" then scales them all so that their mean is what
            it was. "None" and "Ignore" do nothing (with "None" nothing was read that could be weighted).

    Returns:
        [N,77,D] in z's dtype; computed in float32, since sums of half-precision numbers are coarse.
    """
    if mode in {"None", "Ignore"}:
        return z
    vectors = z.float()
    weighted = vectors * multipliers[:, :, None]
    if mode == "Original":
        before, after = ((tensor.mean((1, 2)) * counts).sum() for tensor in (vectors, weighted))
        weighted = weighted * (before / after)
    return weighted.to(z.dtype)
