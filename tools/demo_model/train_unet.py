"""Trains the demo model's UNet to draw the world after a caption.

The objective is latent diffusion's (arXiv:2112.10752): predict the noise at a random one of 1000 levels of SD's
schedule. Levels of little noise, which teach only the finest detail, count less (min-SNR-5, arXiv:2303.09556). Levels
of much noise, where colours are decided and the caption alone can tell them, count more: 1/√α̅, half-way from
predicting the noise to predicting v (arXiv:2202.00512), which counts them 1/α̅. A part of the captions is left empty
for classifier-free guidance (arXiv:2207.12598). The text encoder stays as it is, as SD's did: trained along, it forgets
the words that the UNet does not listen to yet.
"""

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Protocol, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor, nn
from torchvision.transforms.functional import pil_to_tensor
from tqdm import tqdm
from transformers.models.clip.modeling_clip import CLIPTextModel

from modules.prompting.tokenizer import shipped_tokenizer
from tools.demo_model.captions import caption
from tools.demo_model.draw import draw
from tools.demo_model.networks import architecture, new_unet, posterior_mean
from tools.demo_model.train_text import tokenize
from tools.demo_model.training import Plan, Training
from tools.demo_model.world import Scene, random_scene

EMPTY_CAPTIONS = 0.1
MIN_SNR = 5.0
NATIVE_CELLS = (128 // 8) ** 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Pictures of one size.

    Attributes:
        width: px.
        height: px.
        pictures: how many different ones there are, as a part of all.
        share: of the steps that use them.
    """

    width: int
    height: int
    pictures: float
    share: float

    @property
    def name(self) -> str:
        """As in "128x192"."""
        return f"{self.width}x{self.height}"

    @property
    def cells(self) -> int:
        """Of a latent."""
        return self.width * self.height // 64


BUCKETS = (
    Bucket(width=128, height=128, pictures=0.76, share=0.82),
    Bucket(width=192, height=128, pictures=0.06, share=0.05),
    Bucket(width=128, height=192, pictures=0.06, share=0.05),
    Bucket(width=192, height=192, pictures=0.06, share=0.04),
    Bucket(width=256, height=256, pictures=0.06, share=0.04),
)


class _Unet(Protocol):
    def __call__(
        self, sample: Tensor, timestep: Tensor, encoder_hidden_states: Tensor, return_dict: bool
    ) -> tuple[Tensor]: ...


class Latents:
    """The world in latents, encoded once and kept on the disk, with the scenes that they show."""

    def __init__(self, folder: Path, vae: AutoencoderKL, *, seed: int, pictures: int, device: torch.device) -> None:
        self.scenes = dict[str, list[Scene]]()
        self.latents = dict[str, Tensor]()
        for bucket in BUCKETS:
            random = Random(f"scenes {seed} {bucket.name}")
            scenes = [random_scene(random) for _ in range(round(pictures * bucket.pictures))]
            file = folder / f"latents-{bucket.name}-{len(scenes)}.pt"
            if not file.exists():
                torch.save(_encode(vae, scenes, bucket, device), file)
            self.scenes[bucket.name] = scenes
            self.latents[bucket.name] = torch.load(file, weights_only=True)

    def batch(self, random: Random, size: int) -> tuple[Tensor, list[str]]:
        """Return float32 latents [B, 4, h, w] of standard deviation 1 and their captions, all drawn by `random`.

        Args:
            random: of one step.
            size: B at the native size; fewer larger pictures.
        """
        bucket = random.choices(BUCKETS, [bucket.share for bucket in BUCKETS])[0]
        scenes = self.scenes[bucket.name]
        chosen = [random.randrange(len(scenes)) for _ in range(max(1, size * NATIVE_CELLS // bucket.cells))]
        captions = ["" if random.random() < EMPTY_CAPTIONS else caption(scenes[index], random) for index in chosen]
        return self.latents[bucket.name][chosen].float(), captions


@torch.no_grad()
def _encode(vae: AutoencoderKL, scenes: list[Scene], bucket: Bucket, device: torch.device) -> Tensor:
    """Return the posterior means of the scenes' pictures, scaled to a standard deviation of 1, float16 [N, 4, h, w]."""
    cast("nn.Module", vae).to(device)
    parts = list[Tensor]()
    size = max(1, 32 * NATIVE_CELLS // bucket.cells)
    for start in tqdm(range(0, len(scenes), size), desc=f"latents {bucket.name}", mininterval=5):
        images = torch.stack(
            [pil_to_tensor(draw(scene, bucket.width, bucket.height)) for scene in scenes[start : start + size]]
        )
        images = (images.to(device).float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            means = posterior_mean(vae, images)
        parts.append((means.float() * architecture().scale_factor).half().cpu())
    return torch.cat(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """The loss of a UNet.

    Attributes:
        unet: predicts the noise.
        text: turns tokens into vectors.
        device: where both are.
    """

    unet: nn.Module
    text: CLIPTextModel
    device: torch.device

    def __call__(self, latents: Tensor, captions: list[str], generator: torch.Generator) -> Tensor:
        """Return the loss of a batch [B, 4, h, w] with B captions; `generator` (CPU) draws levels and noise."""
        count, alphas = len(latents), _alphas_cumprod()
        # One level out of each of B equal parts of the schedule: less chance, the same distribution.
        levels = ((torch.arange(count) + torch.rand(count, generator=generator)) / count * len(alphas)).long()
        noise = torch.randn(latents.shape, generator=generator)
        alpha = alphas[levels][:, None, None, None]
        noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
        weights = _weights(alpha.flatten()).to(self.device)
        tokens = tokenize(captions, shipped_tokenizer()).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16):
            context = self.text(tokens).last_hidden_state
            predicted = cast("_Unet", self.unet)(
                noisy.to(self.device, memory_format=torch.channels_last),
                timestep=levels.to(self.device),
                encoder_hidden_states=context,
                return_dict=False,
            )[0]
        errors = (predicted.float() - noise.to(self.device)).square().mean((1, 2, 3))
        return (weights * errors).mean()


def _weights(alpha: Tensor) -> Tensor:
    """Return how much the errors at levels of `alpha` (α̅, 0..1) count."""
    fine = (MIN_SNR * (1 - alpha) / alpha).clamp(max=1)
    return fine / alpha.sqrt()


def _alphas_cumprod() -> Tensor:
    sizes = architecture()
    betas = torch.linspace(sizes.linear_start**0.5, sizes.linear_end**0.5, sizes.timesteps, dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0).float()


def train(
    folder: Path, latents: Latents, text: CLIPTextModel, *, seed: int, plan: Plan, batch: int, device: torch.device
) -> nn.Module:
    """Train, or go on with it, and return the finished UNet."""
    unet = new_unet(seed).to(device)
    cast("nn.Module", text).requires_grad_(False).to(device)
    training = Training({"unet": unet}, plan, folder / "unet.pt")
    objective = Objective(unet=unet, text=text, device=device)

    def loss_of_step(step: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        return objective(*latents.batch(Random(f"unet {seed} {step}"), batch), generator)

    training.run(loss_of_step, title="UNet")
    training.load_averages()
    return unet
