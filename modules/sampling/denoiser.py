"""The model as samplers see it, (x, sigma) → denoised: guidance by prompts that change while a picture is made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor

from modules.sampling.guidance import guided, guided_by_parts, guided_by_picture
from modules.sampling.prediction import DiscreteNoise, Prediction, per_picture
from modules.sampling.timeline import Timeline


class Joinable(Protocol):
    """A conditioning of some pictures that may go through the network together with another one."""

    def join(self, other: Self) -> Self | None:
        """Return both as one conditioning of all their pictures, self first, or None where they do not fit together."""
        ...


ConditioningT = TypeVar("ConditioningT", bound=Joinable)

KEPT_STEPS = 4
"""How many different calls are kept put together; prompts may take turns, and negative prompts be left out in turn."""

Predict = Callable[[Tensor, Tensor, ConditioningT], Tensor]
"""A network: (x [B,C,h,w] at its input scale, timesteps [B], conditioning) → output [B,C,h,w]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Network(Generic[ConditioningT]):
    """A denoising network and what its input and output mean.

    Attributes:
        predict: calls it.
        prediction: what it predicts.
        noise: the noise levels it was trained on.
    """

    predict: Predict[ConditioningT]
    prediction: Prediction
    noise: DiscreteNoise

    def denoise(self, x: Tensor, sigma: Tensor, t: Tensor | None, conditioning: ConditioningT) -> Tensor:
        """Return the denoised pictures [B,C,h,w] for noisy ones `x` at the noise levels `sigma` [B].

        Args:
            x: [B,C,h,w].
            sigma: [B].
            t: timesteps [B] of these levels where they are known, None to look them up.
            conditioning: of B pictures.
        """
        scaled = x * per_picture(self.prediction.input_scale(sigma))
        output = self.predict(scaled, self.noise.sigma_to_t(sigma) if t is None else t, conditioning)
        return self.prediction.denoised(output, x, sigma)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WeightedPrompt(Generic[ConditioningT]):
    """One of the prompts that AND composes (arXiv:2206.01714).

    Attributes:
        weight: of its guidance; may be negative.
        timeline: what it says at each model call, as the conditioning of one picture.
    """

    weight: float
    timeline: Timeline[ConditioningT]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Told(Generic[ConditioningT]):
    """What a batch of B pictures is told.

    Attributes:
        prompts: B pictures' prompts, each in at least one part.
        negatives: B pictures' negative prompts.
        without_picture: B negative prompts without the picture that an InstructPix2Pix model edits, None for others.
        stack: makes one conditioning of N pictures out of N of one picture, of different lengths too.
        equalise: makes the lengths of the stacked prompts and negative prompts equal, where pictures of old versions
            need that; None leaves it to `Joinable.join`.
    """

    prompts: Sequence[Sequence[WeightedPrompt[ConditioningT]]]
    negatives: Sequence[Timeline[ConditioningT]]
    without_picture: Sequence[Timeline[ConditioningT]] | None = None
    stack: Callable[[Sequence[ConditioningT]], ConditioningT]
    equalise: Callable[[ConditioningT, ConditioningT], tuple[ConditioningT, ConditioningT]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidanceOptions:
    """How prompts and negative prompts guide.

    Attributes:
        cfg_scale: classifier-free guidance scale (arXiv:2207.12598).
        image_cfg_scale: how closely an InstructPix2Pix model follows the picture (arXiv:2211.09800, equation 3).
        minimum_sigma: below this noise level every second model call leaves the negative prompt out (A1111's negative
            guidance minimum sigma), 0 for never.
        minimum_sigma_always: not only every second one.
        skip_early: part of the model calls, from the first, that leave the negative prompt out, 0..1.
        together: prompts and negative prompts go through the network in one call where they fit together.
        total_calls: model calls of the whole run.
    """

    cfg_scale: float
    image_cfg_scale: float = 1.0
    minimum_sigma: float = 0.0
    minimum_sigma_always: bool = False
    skip_early: float = 0.0
    together: bool = True
    total_calls: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Refinement(Generic[ConditioningT]):
    """A network that takes over before the picture is finished.

    Attributes:
        due: whether it is time, from the number of the model call and the noise levels [B].
        load: gets the network and what its batch is told; called once.
    """

    due: Callable[[int, Tensor], bool]
    load: Callable[[], tuple[Network[ConditioningT], Told[ConditioningT]]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Step(Generic[ConditioningT]):
    """The conditionings of one model call, put together.

    Attributes:
        runs: for each run of the network the conditioning of N rows, and the numbers of their pictures.
        owners: number of the picture that each prompt belongs to.
        weights: of each prompt.
    """

    runs: tuple[tuple[ConditioningT, tuple[int, ...]], ...]
    owners: tuple[int, ...]
    weights: tuple[float, ...]


class GuidedDenoiser(Generic[ConditioningT]):
    """Denoises with classifier-free guidance. Counts its calls, so it serves one sampling run.

    Prompts and negative prompts go through the network in one call, prompts first; one after the other if they do not
    fit together. Where the negative prompts have no influence they are not computed.

    Attributes:
        calls: how many there were.
    """

    def __init__(
        self,
        network: Network[ConditioningT],
        told: Told[ConditioningT],
        options: GuidanceOptions,
        refinement: Refinement[ConditioningT] | None = None,
    ) -> None:
        self.calls = 0
        self._network = network
        self._told = told
        self._options = options
        self._refinement = refinement
        self._known: dict[tuple[object, ...], _Step[ConditioningT]] = {}

    def __call__(self, x: Tensor, sigma: Tensor, t: Tensor | None = None) -> Tensor:
        """Return the denoised pictures [B,C,h,w] for noisy ones `x` [B,C,h,w] at the noise levels `sigma` [B].

        Args:
            x: noisy pictures.
            sigma: their noise levels.
            t: timesteps [B] of these levels, where the sampler knows them exactly.
        """
        call = self._begin(sigma)
        skips = self._skips_negatives(call, sigma if t is None else t)
        step = self._step(call, skips)
        rows = self._rows(x, sigma, t, step)
        return self._without_negatives(rows, step, len(x)) if skips else self._combined(rows, step, len(x))

    def with_unguided(self, x: Tensor, sigma: Tensor, t: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return what a call returns, and what the negative prompts alone make of `x`; both [B,C,h,w]."""
        step = self._step(self._begin(sigma), skips=False)
        rows, prompts = self._rows(x, sigma, t, step), len(step.owners)
        return self._combined(rows, step, len(x)), rows[prompts : prompts + len(x)]

    def _begin(self, sigma: Tensor) -> int:
        """Return the number of the call that begins."""
        call, self.calls = self.calls, self.calls + 1
        if self._refinement is not None and self._refinement.due(call, sigma):
            self._network, self._told = self._refinement.load()
            self._refinement = None
            self._known = {}
        return call

    @property
    def _edits(self) -> bool:
        return self._told.without_picture is not None and self._options.image_cfg_scale != 1

    def _skips_negatives(self, call: int, level: Tensor) -> bool:
        """Say whether a call leaves negative prompts out; `level` [B] is what the sampler counts in."""
        options = self._options
        if options.skip_early > 0 and call / options.total_calls <= options.skip_early:
            return True
        counts = options.minimum_sigma > 0 and not self._edits and (call % 2 or options.minimum_sigma_always)
        if counts and bool(level[0] < options.minimum_sigma):
            return True
        alone = all(len(parts) == 1 and parts[0].weight == 1 for parts in self._told.prompts)
        return options.cfg_scale == 1 and alone and not self._edits

    def _step(self, call: int, skips: bool) -> _Step[ConditioningT]:
        """Put together what is said at a call; what was said lately is not put together again."""
        told = self._told
        prompts = [(n, part) for n, parts in enumerate(told.prompts) for part in parts]
        said = [part.timeline.at(call) for _, part in prompts], [timeline.at(call) for timeline in told.negatives]
        without = [timeline.at(call) for timeline in told.without_picture or () if self._edits and not skips]
        key = (skips, *map(id, (*said[0], *said[1], *without)))
        if key not in self._known:
            while len(self._known) >= KEPT_STEPS:
                del self._known[next(iter(self._known))]
            owners = tuple(n for n, _ in prompts)
            runs = self._runs(*said, without, owners, skips=skips)
            self._known[key] = _Step(runs=runs, owners=owners, weights=tuple(part.weight for _, part in prompts))
        return self._known[key]

    def _runs(
        self,
        prompts: Sequence[ConditioningT],
        negatives: Sequence[ConditioningT],
        without: Sequence[ConditioningT],
        owners: tuple[int, ...],
        *,
        skips: bool,
    ) -> tuple[tuple[ConditioningT, tuple[int, ...]], ...]:
        told = self._told
        cond, uncond = told.stack(prompts), told.stack(negatives)
        if told.equalise is not None:
            cond, uncond = told.equalise(cond, uncond)  # also where the negative prompts are left out, as A1111 does
        runs = [(cond, owners)]
        if not skips:
            everyone = tuple(range(len(negatives)))
            self._add(runs, uncond, everyone)
            if without:
                hidden = told.stack(without)
                self._add(runs, hidden if told.equalise is None else told.equalise(cond, hidden)[1], everyone)
        return tuple(runs)

    def _add(
        self, runs: list[tuple[ConditioningT, tuple[int, ...]]], more: ConditioningT, pictures: tuple[int, ...]
    ) -> None:
        """Add rows to the last run if they fit there, else as a run of their own."""
        joined = runs[-1][0].join(more) if self._options.together else None
        if joined is None:
            runs.append((more, pictures))
        else:
            runs[-1] = joined, runs[-1][1] + pictures

    def _rows(self, x: Tensor, sigma: Tensor, t: Tensor | None, step: _Step[ConditioningT]) -> Tensor:
        """Return what the network makes of each prompt, then of each negative prompt, then of those without picture."""
        parts: list[Tensor] = []
        for conditioning, pictures in step.runs:
            if pictures == tuple(range(len(x))):
                parts.append(self._network.denoise(x, sigma, t, conditioning))
                continue
            times = None if t is None else _chosen(t, pictures)
            rows = self._network.denoise(_chosen(x, pictures), _chosen(sigma, pictures), times, conditioning)
            parts.append(rows)
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    def _combined(self, rows: Tensor, step: _Step[ConditioningT], count: int) -> Tensor:
        prompts = len(step.owners)
        cond, uncond = rows[:prompts], rows[prompts : prompts + count]
        if self._edits:
            without = rows[prompts + count :]
            return guided_by_picture(self._guided(cond, uncond, step), uncond, without, self._options.image_cfg_scale)
        return self._guided(cond, uncond, step)

    def _without_negatives(self, cond: Tensor, step: _Step[ConditioningT], count: int) -> Tensor:
        """Let each picture's first prompt stand for its negative prompt, as A1111 does."""
        uncond = _chosen(cond, [step.owners.index(n) for n in range(count)])
        return uncond if len(cond) == count else self._guided(cond, uncond, step)

    def _guided(self, cond: Tensor, uncond: Tensor, step: _Step[ConditioningT]) -> Tensor:
        scale = self._options.cfg_scale
        if len(cond) == len(uncond) and all(weight == 1 for weight in step.weights):
            return guided(cond, uncond, scale)
        return guided_by_parts(cond, uncond, step.owners, step.weights, scale)


def _chosen(rows: Tensor, numbers: Sequence[int]) -> Tensor:
    """Return these rows; made of views, so that no list of numbers travels to the device."""
    return torch.cat([rows[number : number + 1] for number in numbers])
