"""Random numbers: one generator per picture, so that a picture does not depend on its neighbours in the batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from modules.sampling.brownian import BrownianPaths
from modules.sampling.philox import Philox

RandnSource = Literal["CPU", "GPU", "NV"]
Shape = tuple[int, int, int]
Randn = Callable[[Shape], Tensor]
"""Shape → the next standard normal numbers of one generator, float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """Noise of other seeds, mixed into what the pictures begin as.

    Attributes:
        seeds: variation seed of each picture.
        strength: from 0, the picture's own noise, to 1, that of the variation seed.
    """

    seeds: Sequence[int]
    strength: float


class ImageNoise:
    """Standard normal noise for a batch; every draw takes from each picture's own generator, in turn.

    Draws are A1111's for its sources: "CPU" (the same on every machine), "GPU" (drawn by the device that computes,
    whose numbers differ from the CPU's), "NV" (those of NVIDIA's GPUs, computed on the CPU of any machine).
    """

    def __init__(
        self,
        seeds: Sequence[int],
        shape: Shape,
        device: torch.device,
        source: RandnSource,
        ensd: int = 0,
        variation: Variation | None = None,
        resized_from: tuple[int, int] | None = None,
        one_path: bool = False,
    ) -> None:
        """Seed the generators.

        Args:
            seeds: one per picture: any integers, of which the remainder modulo 2^64 counts.
            shape: (C, h, w) of one latent.
            device: where the noise is wanted.
            source: which generator draws.
            ensd: eta noise seed delta; unless 0, draws after the first come from generators seeded with seed + ensd.
            variation: what is mixed into the first noise.
            resized_from: (h, w) of a latent of another size; its first noise comes into the centre of this one, so that
                the pictures are alike.
            one_path: the whole batch follows one Brownian path instead of one per picture, as in k-diffusion and in
                A1111 before version 1.2; pictures then depend on their neighbours.
        """
        self._seeds = tuple(seeds)
        self._shape = shape
        self._device = device
        self._source: RandnSource = source
        self._ensd = ensd
        self._variation = variation
        self._one_path = one_path
        self._first_shape = (shape[0], *resized_from) if resized_from else shape
        self._generators = [self._generator(seed) for seed in self._seeds]

    @property
    def batch_shape(self) -> tuple[int, int, int, int]:
        """(B, C, h, w) of all it draws."""
        return len(self._seeds), *self._shape

    def first(self) -> Tensor:
        """Return the noise [B,C,h,w] that the pictures begin as. Call it once, before `next`."""
        noise = torch.stack([self._first(index) for index in range(len(self._seeds))])
        if self._ensd:
            self._generators = [self._generator(seed + self._ensd) for seed in self._seeds]
        return self.delivered(noise)

    def next(self) -> Tensor:
        """Return fresh noise [B,C,h,w], float32."""
        return self.delivered(torch.stack([generator(self._shape) for generator in self._generators]))

    def over(self, sigmas: Tensor) -> "RunNoise":
        """Return what a solver may draw in a run over `sigmas`.

        Args:
            sigmas: noise levels of the full schedule, also where the run begins amid them, as img2img does.
        """
        return RunNoise(self, sigmas)

    def paths(self, *, low: float, high: float) -> BrownianPaths:
        """Return the Brownian paths of the pictures' seeds, to which neither ENSD nor variation matters.

        Args:
            low: lowest positive noise level of the run.
            high: highest noise level of the run.
        """
        seeds, (channels, height, width) = self._seeds, self._shape
        if self._one_path:
            channels *= len(seeds)
            seeds = (_seed_of_batch(seeds[-1]),)
        shape = (channels, height, width)
        return BrownianPaths(seeds, lambda seed: self._generator(seed)(shape), low=low, high=high)

    def delivered(self, noise: Tensor) -> Tensor:
        """Return noise on the device where it is wanted."""
        if self._device.type == "cuda" and not noise.is_cuda:
            # from pageable memory the copy would wait until the device has finished all it was given
            return noise.pin_memory().to(self._device, non_blocking=True)
        return noise.to(self._device)

    def _first(self, index: int) -> Tensor:
        noise = self._generator(self._seeds[index])(self._first_shape)
        if self._variation:
            other = self._generator(self._variation.seeds[index])(self._first_shape)
            noise = slerp(noise, other, self._variation.strength)
        # whatever the first noise is made of, the picture's generator makes one draw of full size, which others follow
        return _pasted(noise, self._generators[index](self._shape))

    def _generator(self, seed: int) -> Randn:
        if self._source == "NV":
            philox = Philox(seed)
            return lambda shape: torch.as_tensor(philox.randn(shape))
        # as in A1111, Apple's GPUs leave it to the CPU
        device = self._device if self._source == "GPU" and self._device.type != "mps" else torch.device("cpu")
        return partial(torch.randn, generator=torch.Generator(device).manual_seed(seed % 2**64), device=device)


class RunNoise:
    """What a solver may draw in one run; a `NoiseSource`."""

    def __init__(self, images: ImageNoise, sigmas: Tensor) -> None:
        """Draw nothing yet.

        Args:
            images: generators of the pictures.
            sigmas: noise levels of the full schedule.
        """
        self._images = images
        self._sigmas = sigmas

    def next(self) -> Tensor:
        """See `NoiseSource`."""
        return self._images.next()

    def between(self, sigma: Tensor, following: Tensor) -> Tensor:
        """See `NoiseSource`."""
        gain = self._paths.between(sigma, following)
        return self._images.delivered(gain.reshape(self._images.batch_shape))

    @cached_property
    def _paths(self) -> BrownianPaths:
        positive = self._sigmas[self._sigmas > 0]
        return self._images.paths(low=positive.min().item(), high=positive.max().item())


def slerp(low: Tensor, high: Tensor, amount: float) -> Tensor:
    """Mix two latents [C,h,w] along the arc between them, so that noise keeps its strength.

    As in A1111 each column [h] is turned by its own angle (Shoemake, "Animating rotation with quaternion curves",
    SIGGRAPH 1985), and latents that are nearly the same are mixed along the chord with the weights exchanged. Columns
    that have no arc between them are mixed along the chord.

    Args:
        low: what 0 gives.
        high: what 1 gives.
        amount: 0..1; beyond, the arc is continued.
    """
    cosine = (normalize(low, dim=1) * normalize(high, dim=1)).sum(1, keepdim=True)
    if cosine.mean() > 0.9995:
        return low * amount + high * (1 - amount)
    angle = cosine.acos()
    of_low = (((1 - amount) * angle).sin() / angle.sin()).nan_to_num(1 - amount)
    of_high = ((amount * angle).sin() / angle.sin()).nan_to_num(amount)
    return of_low * low + of_high * high


def _pasted(patch: Tensor, onto: Tensor) -> Tensor:
    """Put `patch` [C,h,w] into the centre of `onto` [C,H,W], and cut off what does not fit."""
    rows, to_rows = _overlap(patch.shape[1], onto.shape[1])
    columns, to_columns = _overlap(patch.shape[2], onto.shape[2])
    onto[:, to_rows, to_columns] = patch[:, rows, columns]
    return onto


def _overlap(patch: int, onto: int) -> tuple[slice, slice]:
    """Return which part of a centred patch is used and where it goes, along one axis."""
    margin = (onto - patch) // 2  # rounded down: a patch that is longer by an odd number loses one more than it must
    used = patch + min(2 * margin, 0)
    first, to_first = max(-margin, 0), max(margin, 0)
    return slice(first, first + used), slice(to_first, to_first + used)


def _seed_of_batch(seed: int) -> int:
    """Return the seed of the path that a batch shares: k-diffusion draws it after A1111 has seeded the last picture."""
    generator = torch.Generator().manual_seed(seed % 2**64)
    return int(torch.randint(0, 2**63 - 1, (), generator=generator).item())
