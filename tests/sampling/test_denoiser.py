from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from modules.conditioning.conditioning import Conditioning
from modules.sampling.denoiser import GuidedDenoiser, ScheduledDenoiser
from modules.sampling.prediction import DiscreteNoise, Epsilon
from modules.sampling.samplers.base import Denoise
from modules.sampling.timeline import Timeline
from tests.sampling.recordings import alphas_cumprod

NOISE = DiscreteNoise(alphas_cumprod("sd").double())


@dataclass
class AttendingNetwork:
    """Lets every latent position attend to the tokens, as a UNet does."""

    calls: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def __call__(self, x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        tokens = conditioning.cross_attention
        self.calls.append((tokens.shape[0], tokens.shape[1]))
        assert x.shape[0] == t.shape[0] == tokens.shape[0]
        positions = x.flatten(2).mT
        attended = scaled_dot_product_attention(positions, tokens, tokens.flip(2)) * (1 + t[:, None, None] / 999)
        return attended.mT.reshape(x.shape)


def conditioning(pictures: int, tokens: int, seed: int) -> Conditioning:
    generator = torch.Generator().manual_seed(seed)
    return Conditioning(cross_attention=torch.randn(pictures, tokens, 4, generator=generator, dtype=torch.float64))


def by_hand(x: Tensor, sigma: Tensor, cond: Conditioning, uncond: Conditioning, scale: float) -> Tensor:
    """Guidance as written in the papers, one call after the other."""
    network, column = AttendingNetwork(), sigma[:, None, None, None]
    scaled, t = x / (column**2 + 1).sqrt(), NOISE.sigma_to_t(sigma)
    denoised_cond = x - column * network(scaled, t, cond)
    denoised_uncond = x - column * network(scaled, t, uncond)
    return denoised_uncond + scale * (denoised_cond - denoised_uncond)


@pytest.mark.parametrize("scale", [0.0, 1.0, 7.0])
@pytest.mark.parametrize(
    ("cond_tokens", "uncond_tokens", "calls"),
    [
        (77, 77, [(4, 77)]),
        (77, 154, [(4, 154)]),
        (231, 154, [(4, 462)]),
        (77 * 9, 77 * 9, [(4, 77 * 9)]),
        (77 * 5, 77 * 2, [(2, 77 * 5), (2, 77 * 2)]),
    ],
)
def test_guidance_of_any_two_lengths(
    scale: float, cond_tokens: int, uncond_tokens: int, calls: list[tuple[int, int]]
) -> None:
    network = AttendingNetwork()
    cond, uncond = conditioning(2, cond_tokens, 1), conditioning(2, uncond_tokens, 2)
    x, sigma = torch.randn(2, 4, 6, 5, dtype=torch.float64), torch.tensor([14.0, 0.3], dtype=torch.float64)

    denoiser = GuidedDenoiser(network, prediction=Epsilon(), noise=NOISE, cond=cond, uncond=uncond, cfg_scale=scale)

    torch.testing.assert_close(denoiser(x, sigma), by_hand(x, sigma, cond, uncond, scale))
    assert network.calls == ([(2, cond_tokens)] if scale == 1 else calls)


def test_the_prompt_comes_first() -> None:
    seen: list[Tensor] = []

    def network(x: Tensor, _t: Tensor, both: Conditioning) -> Tensor:
        seen.append(both.cross_attention)
        return x

    cond, uncond = conditioning(2, 77, 1), conditioning(2, 77, 2)
    denoiser = GuidedDenoiser(network, prediction=Epsilon(), noise=NOISE, cond=cond, uncond=uncond, cfg_scale=7)
    denoiser(torch.randn(2, 4, 3, 3), torch.ones(2))

    assert seen[0].equal(torch.cat((cond.cross_attention, uncond.cross_attention)))


def test_prompts_take_turns_and_are_joined_only_when_they_change() -> None:
    prompts = [conditioning(1, 77, seed) for seed in range(4)]
    joined: list[tuple[int, int]] = []
    used: list[tuple[int, int]] = []

    def guided_by(cond: Conditioning, uncond: Conditioning) -> Denoise:
        pair = prompts.index(cond), prompts.index(uncond)
        joined.append(pair)

        def denoise(x: Tensor, _sigma: Tensor) -> Tensor:
            used.append(pair)
            return x

        return denoise

    denoiser = ScheduledDenoiser(
        guided_by,
        cond=Timeline(ends=(2, 8), values=(prompts[0], prompts[1])),
        uncond=Timeline(ends=(3, 8), values=(prompts[2], prompts[3])),
    )
    for _ in range(6):
        denoiser(torch.zeros(1, 4, 3, 3), torch.ones(1))

    assert used == [(0, 2), (0, 2), (0, 2), (1, 2), (1, 3), (1, 3)]
    assert joined == [(0, 2), (1, 2), (1, 3)]
