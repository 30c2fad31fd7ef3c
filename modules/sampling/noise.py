"""Random numbers: one generator per picture, so that a picture does not depend on its neighbours in the batch."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor


class ImageNoise:
    """Standard normal noise for a batch; every draw takes from each picture's own generator, in turn.

    Draws are A1111's for its sources "CPU" (the same on every machine) and "GPU" (drawn by the device that computes,
    whose numbers differ from the CPU's).
    """

    def __init__(
        self,
        seeds: Sequence[int],
        shape: tuple[int, int, int],
        device: torch.device,
        source: Literal["CPU", "GPU"],
        ensd: int = 0,
    ) -> None:
        """Seed the generators.

        Args:
            seeds: one per picture, -2^63 .. 2^64 - 1.
            shape: (C, h, w) of one latent.
            device: where the noise is wanted.
            source: which generator draws.
            ensd: eta noise seed delta; unless 0, draws after the first come from generators seeded with seed + ensd.
        """
        self._seeds = tuple(seeds)
        self._shape = shape
        self._device = device
        self._source = device if source == "GPU" else torch.device("cpu")
        self._ensd = ensd
        self._generators = self._seeded(0)

    def first(self) -> Tensor:
        """Return the noise [B,C,h,w] that the pictures begin as. Call it once, before `next`."""
        noise = self.next()
        if self._ensd:
            self._generators = self._seeded(self._ensd)
        return noise

    def next(self) -> Tensor:
        """Return fresh noise [B,C,h,w], float32."""
        draws = [torch.randn(self._shape, generator=one, device=self._source) for one in self._generators]
        noise = torch.stack(draws)
        if self._source == self._device:
            return noise
        if self._device.type == "cuda":
            noise = noise.pin_memory()  # or the copy would wait until the device has finished all it was given
        return noise.to(self._device, non_blocking=noise.is_pinned())

    def _seeded(self, delta: int) -> list[torch.Generator]:
        return [torch.Generator(self._source).manual_seed(seed + delta) for seed in self._seeds]
