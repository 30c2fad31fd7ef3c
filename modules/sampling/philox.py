"""The random numbers of NVIDIA's GPUs, computed on any machine.

Words come from Philox 4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011,
doi:10.1145/2063384.2063405), normal numbers from Box and Muller's transform with the constants of NVIDIA's cuRAND.
"""

import math

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 10
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_KEY_STEPS = 0x9E3779B9, 0xBB67AE85  # what the key grows by each round: from the golden ratio and the root of 3

_UNIT = 2.0**-32  # times a word: 0 .. 1
_TURN = _UNIT * float(np.float32(2 * np.pi))  # times a word: once round the circle, which cuRAND measures in float32


def philox_4x32(counter: NDArray[np.uint32], key: int) -> NDArray[np.uint32]:
    """Return four random words [4, n] for each of n counters.

    Args:
        counter: [4, n], the four words of each counter.
        key: 0 .. 2^64 - 1.
    """
    a, b, c, d = counter
    low_key, high_key = key & 0xFFFFFFFF, key >> 32
    for _ in range(_ROUNDS):
        # products of 64 bits, as words: the lower halves are at even places, the upper ones at odd (little-endian)
        of_a, of_c = (a * _MULTIPLIERS[0]).view(np.uint32), (c * _MULTIPLIERS[1]).view(np.uint32)
        a, b = of_c[1::2] ^ b ^ np.uint32(low_key), of_c[::2]
        c, d = of_a[1::2] ^ d ^ np.uint32(high_key), of_a[::2]
        low_key, high_key = (low_key + _KEY_STEPS[0]) & 0xFFFFFFFF, (high_key + _KEY_STEPS[1]) & 0xFFFFFFFF
    return np.stack([a, b, c, d])


class Philox:
    """A generator of normal numbers: torch's on a CUDA device, for draws small enough to give each number a thread.

    Number i of a draw depends on the seed, on how many draws went before (whatever their sizes), and on i.
    """

    def __init__(self, seed: int) -> None:
        """Begin at the first draw.

        Args:
            seed: any integer, of which the remainder modulo 2^64 counts.
        """
        self._key = seed % 2**64
        self._draws = 0

    def randn(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return fresh standard normal numbers in an array of this shape."""
        counter = np.zeros((4, math.prod(shape)), dtype=np.uint32)
        counter[0] = self._draws
        counter[2] = np.arange(counter.shape[1])
        self._draws += 1
        words = philox_4x32(counter, self._key)
        # both are moved by half a step, so that the logarithm of 0 is never asked for
        radius = np.sqrt(-2 * np.log(words[0] * _UNIT + _UNIT / 2))
        angle = words[1] * _TURN + _TURN / 2
        return (radius * np.sin(angle)).astype(np.float32).reshape(shape)
