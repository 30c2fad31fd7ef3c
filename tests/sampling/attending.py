"""A network that attends to prompts, and guidance by prompts as the papers write it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from modules.conditioning.conditioning import Conditioning, stack
from modules.sampling.denoiser import GuidanceOptions, GuidedDenoiser, Network, Refinement, Told, WeightedPrompt
from modules.sampling.prediction import DiscreteNoise, Epsilon
from modules.sampling.timeline import Timeline
from tests.sampling.recordings import alphas_cumprod

NOISE = DiscreteNoise(alphas_cumprod("sd").double())
X = torch.randn(2, 4, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
SIGMA = torch.tensor([14.0, 0.3], dtype=torch.float64)

Parts = Sequence[tuple[float, Conditioning]]
"""A prompt: the weight of each of its parts, and what it says."""


@dataclass
class AttendingNetwork:
    """Lets every latent position attend to the tokens, as a UNet does; keeps what it is asked."""

    asked: list[Conditioning] = field(default_factory=list[Conditioning])
    timesteps: list[Tensor] = field(default_factory=list[Tensor])

    def __call__(self, x: Tensor, t: Tensor, said: Conditioning) -> Tensor:
        tokens = said.cross_attention
        assert x.shape[0] == t.shape[0] == tokens.shape[0]
        self.asked.append(said)
        self.timesteps.append(t)
        positions = (x if said.concat is None else x + said.concat).flatten(2).mT
        attended = scaled_dot_product_attention(positions, tokens, tokens.flip(2)) * (1 + t[:, None, None] / 999)
        return attended.mT.reshape(x.shape)

    @property
    def calls(self) -> list[tuple[int, int]]:
        """How many pictures and how many tokens each call had."""
        return [(len(said.cross_attention), said.cross_attention.shape[1]) for said in self.asked]


def numbers(values: Tensor) -> list[float]:
    return [value.item() for value in values]


def text(seed: int, chunks: int = 1) -> Conditioning:
    """What one picture is told, something else for each seed."""
    generator = torch.Generator().manual_seed(seed)
    return Conditioning(cross_attention=torch.randn(1, 77 * chunks, 4, generator=generator, dtype=torch.float64))


def followed_by(said: Conditioning, tokens: Tensor) -> Conditioning:
    return replace(said, cross_attention=torch.cat((said.cross_attention, tokens), dim=1))


def filled(said: Conditioning, chunks: int) -> Conditioning:
    """Repeat the last vector for so many chunks."""
    return followed_by(said, said.cross_attention[:, -1:].expand(-1, 77 * chunks, -1))


PROMPTS: Sequence[Parts] = [[(1.0, text(1))], [(1.0, text(2))]]
NEGATIVES = [text(3), text(4)]
COMPOSED: Sequence[Parts] = [[(1.0, text(1)), (-0.5, text(5)), (0.7, text(6))], [(2.0, text(2))]]
EMPTY = text(99)


def always(said: Conditioning) -> Timeline[Conditioning]:
    return Timeline(ends=(1000,), values=(said,))


def told(prompts: Sequence[Parts], negatives: Sequence[Conditioning]) -> Told[Conditioning]:
    return Told(
        prompts=[[WeightedPrompt(weight=weight, timeline=always(said)) for weight, said in parts] for parts in prompts],
        negatives=[always(said) for said in negatives],
        stack=stack,
    )


def network_of(predict: AttendingNetwork) -> Network[Conditioning]:
    return Network(predict=predict, prediction=Epsilon(), noise=NOISE)


def guided_by(
    network: AttendingNetwork,
    said: Told[Conditioning],
    *,
    refinement: Refinement[Conditioning] | None = None,
    **options: Any,
) -> GuidedDenoiser[Conditioning]:
    options.setdefault("cfg_scale", 7.0)
    return GuidedDenoiser(network_of(network), said, GuidanceOptions(**options), refinement)


def denoised(picture: int, said: Conditioning) -> Tensor:
    """What the network makes of one of the two pictures [1,4,6,5], as the papers write it."""
    x, sigma = X[picture, None], SIGMA[picture, None]
    scaled = x / (sigma**2 + 1).sqrt()
    return x - sigma * AttendingNetwork()(scaled, NOISE.sigma_to_t(sigma), said)


def by_hand(prompts: Sequence[Parts], negatives: Sequence[Conditioning], scale: float) -> Tensor:
    """Guidance as the papers write it, one call after the other."""
    pictures: list[Tensor] = []
    for picture, (parts, negative) in enumerate(zip(prompts, negatives, strict=True)):
        uncond = denoised(picture, negative)
        pulls = [weight * scale * (denoised(picture, said) - uncond) for weight, said in parts]
        pictures.append(sum(pulls, uncond))
    return torch.cat(pictures)
