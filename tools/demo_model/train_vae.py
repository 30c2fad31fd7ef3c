"""Trains the demo model's autoencoder.

Latents get a fixed, small posterior noise. At the end their four channels are made independent, with mean 0 and the
standard deviation that SD's scale factor undoes, and are turned so that SD's colour factors preview them.
"""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor, nn

from modules.families.sd1 import StableDiffusion1
from tools.demo_model.draw import draw
from tools.demo_model.networks import architecture, new_vae, posterior_mean
from tools.demo_model.training import Plan, Training
from tools.demo_model.world import Mixture, random_scene

CROP = 64  # px; the network is convolutional
BATCH = 16
WHOLE, WHOLE_BATCH = 128, 4  # whole pictures in the last part, because GroupNorm sees how much of each colour there is
WHOLE_FROM = 0.85  # of the steps
PICTURES = 5000
SCALES = (128, 128, 128, 192, 256)
POSTERIOR_NOISE = 0.08  # standard deviation; the latents' own is near 1
NOISE_FROM = 0.25  # of the steps
EDGES = 0.5  # weight of the differences between neighbouring pixels
CENTRING = 2e-4  # weight of the latents' mean square, which keeps them near 1
OFFSET = 2.0

WORLD = Mixture(landscapes=0.25, patterns=0.25)


def loosen_normalisation(vae: nn.Module) -> None:
    """Let every group normalisation of two channels per group begin as the identity.

    Of two channels normalised together over a picture only their difference, in units of their spread, survives. With
    random weights a flat picture's colour is lost in that. So the two get constant offsets, ± `OFFSET`, which make up
    most of the spread: what else is in them passes almost unchanged. Since nothing restores the scale of the signal
    then, the convolutions begin with weights that keep it (arXiv:1502.01852).
    """
    for layer in vae.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    for name, layer in vae.named_modules():
        if isinstance(layer, nn.GroupNorm):
            signs = _signs(layer.num_channels)
            nn.init.constant_(layer.weight, (OFFSET**2 + 1) ** 0.5)
            layer.bias.data.copy_(-OFFSET * signs)
        elif isinstance(layer, nn.Conv2d) and ("conv_in" in name or name.endswith("conv1") or "samplers" in name):
            _bias(layer).copy_(OFFSET * _signs(layer.out_channels))
            if "samplers" in name:  # its input has the offsets already
                carried = layer.weight.data.sum((2, 3)) @ (OFFSET * _signs(layer.in_channels))
                _bias(layer).sub_(carried)
        elif isinstance(layer, nn.Conv2d) and name.endswith(("conv2", "conv_out")):
            layer.weight.data.mul_(0.2)  # a sum of many branches must not grow, and the first pictures be near gray


def _bias(conv: nn.Conv2d) -> Tensor:
    return cast("Tensor", conv.bias).data


def _signs(channels: int) -> Tensor:
    return torch.tensor([1.0, -1.0]).repeat(channels // 2)


class Pictures:
    """Pictures of the world in memory, and batches of their crops."""

    def __init__(self, seed: int, count: int) -> None:
        random = Random(f"pictures {seed}")
        self._pictures = list[Tensor]()
        for _ in range(count):
            size = random.choice(SCALES)
            picture = np.asarray(draw(random_scene(random, WORLD), size, size))
            self._pictures.append(torch.from_numpy(picture.copy()).permute(2, 0, 1))
        self._seed = seed

    def batch(self, step: int, count: int, side: int) -> Tensor:
        """Return [count, 3, side, side] in -1..1, drawn by the step's number."""
        random = Random(f"crops {self._seed} {step}")
        crops = list[Tensor]()
        for _ in range(count):
            picture = random.choice(self._pictures)
            top, left = (random.randint(0, length - side) for length in picture.shape[1:])
            crop = picture[:, top : top + side, left : left + side]
            crops.append(crop.flip(2) if random.random() < 0.5 else crop)
        batch = torch.stack(crops).float() / 127.5 - 1
        return batch.contiguous(memory_format=torch.channels_last)


def train(folder: Path, *, seed: int, steps: int, device: torch.device, compiled: bool = False) -> AutoencoderKL:
    """Train, or go on with it, and return the finished network, on the CPU."""
    vae = new_vae(seed)
    loosen_normalisation(vae)
    cast("nn.Module", vae).to(device)
    plan = Plan(steps=steps, learning_rate=2e-3, clip=0.5)
    training = Training({"vae": vae}, plan, folder / "vae.pt")
    if training.step < steps:
        pictures = Pictures(seed, PICTURES)
        reconstruct = _reconstruction(vae, device)
        if compiled:
            reconstruct = cast("Callable[[Tensor, Tensor, float], Tensor]", torch.compile(reconstruct, dynamic=False))

        def loss_of_step(step: int) -> Tensor:
            whole = step >= WHOLE_FROM * steps
            images = pictures.batch(step, *((WHOLE_BATCH, WHOLE) if whole else (BATCH, CROP)))
            generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
            noise = torch.randn((len(images), 4, images.shape[2] // 8, images.shape[3] // 8), generator=generator)
            return reconstruct(
                images.to(device), noise.to(device), POSTERIOR_NOISE if step >= NOISE_FROM * steps else 0.0
            )

        training.run(loss_of_step, title="autoencoder")
    training.load_averages()
    cast("nn.Module", vae).to("cpu")
    vae.requires_grad_(False).eval()
    standardise(vae, Pictures(seed + 1, 200))
    return vae


def _reconstruction(vae: AutoencoderKL, device: torch.device) -> Callable[[Tensor, Tensor, float], Tensor]:
    def loss(images: Tensor, noise: Tensor, strength: float) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            mean = posterior_mean(vae, images)
            decoded = cast("Any", vae).decode(mean + strength * noise).sample
        difference = decoded.float() - images
        levels = difference.abs().mean() + difference.square().mean()
        return levels + EDGES * _edges(difference) + CENTRING * mean.float().square().mean()

    return loss


def _edges(difference: Tensor) -> Tensor:
    """Return how wrong the steps between neighbouring pixels are: an edge that is blurred is wrong on both sides."""
    down, right = difference.diff(dim=2), difference.diff(dim=3)
    return down.abs().mean() + right.abs().mean()


@torch.no_grad()
def standardise(vae: AutoencoderKL, pictures: Pictures) -> None:
    """Give the latents mean 0, independent channels of the standard deviation 1 / scale factor, and SD's orientation.

    This changes only the 1×1 convolutions on both sides of the latent, so reconstructions stay as they are.
    """
    images = torch.cat([pictures.batch(step, 1, 128) for step in range(192)])
    latents = torch.cat([posterior_mean(vae, part) for part in images.split(16)])
    flat = latents.permute(0, 2, 3, 1).reshape(-1, 4).double()
    mean, (variances, axes) = flat.mean(0), torch.linalg.eigh(torch.cov(flat.T))
    white = (flat - mean) @ axes / variances.sqrt()
    colours = F.avg_pool2d(images, 8).permute(0, 2, 3, 1).reshape(-1, 3).double()
    turn = _towards(white, colours, torch.tensor(StableDiffusion1().latent_format.rgb_factors).double())
    scale = 1 / architecture().scale_factor
    forth = turn.T @ torch.diag(variances.rsqrt()) @ axes.T * scale  # standard = forth @ (latent - mean)
    before, after = vae.quant_conv, vae.post_quant_conv
    if before is None or after is None:
        raise TypeError("An autoencoder of SD has 1×1 convolutions on both sides of the latent.")
    _compose_after(before, forth, -forth @ mean)
    _compose_before(after, torch.linalg.inv(forth), mean)
    before.weight.data[4:] = 0  # the posterior has one fixed, small variance
    spread = POSTERIOR_NOISE / float(variances.mean().sqrt())
    _bias(before)[4:] = 2 * math.log(spread * scale)


def _towards(white: Tensor, colours: Tensor, factors: Tensor) -> Tensor:
    """Return the rotation [4, 4] after which `factors` [4, 3] tell the colours of latents best (Procrustes)."""
    fitted = torch.linalg.lstsq(white, colours - colours.mean(0)).solution  # [4, 3]
    left, _, right = torch.linalg.svd(fitted @ factors.T)
    return left @ right


def _compose_after(conv: nn.Conv2d, matrix: Tensor, shift: Tensor) -> None:
    """Let the first four outputs of a 1×1 convolution pass through x → matrix @ x + shift."""
    weight, bias = conv.weight.data, _bias(conv)
    weight[:4, :, 0, 0] = (matrix @ weight[:4, :, 0, 0].double()).float()
    bias[:4] = (matrix @ bias[:4].double() + shift).float()


def _compose_before(conv: nn.Conv2d, matrix: Tensor, shift: Tensor) -> None:
    """Let the inputs of a 1×1 convolution pass through x → matrix @ x + shift first."""
    weight, bias = conv.weight.data, _bias(conv)
    bias += (weight[:, :, 0, 0].double() @ shift).float()
    weight[:, :, 0, 0] = (weight[:, :, 0, 0].double() @ matrix).float()


def main() -> None:
    """Train from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=1800)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    args = parser.parse_args()
    train(args.folder, seed=args.seed, steps=args.steps, device=torch.device(args.device), compiled=args.compile)


if __name__ == "__main__":
    main()
