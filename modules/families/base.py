"""What every model family offers, and the seam through which the pipeline uses a loaded model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from modules.conditioning.conditioning import Conditioning
from modules.conditioning.encode import TextEncoder
from modules.families.unet import VALUES_PER_CELL
from modules.families.vae import Vae
from modules.sampling.prediction import DiscreteNoise, Prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentFormat:
    """The space that a family samples in.

    Attributes:
        channels: of a latent.
        downscale: px per latent cell, in each direction.
        scale: latents of the VAE are multiplied by this, so that their standard deviation is about 1.
        rgb_factors: [channels][3], the best linear guess at a cell's colour (-1..1); for previews.
    """

    channels: int
    downscale: int
    scale: float
    rgb_factors: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTraits:
    """What tells families apart, read from a file's table of contents before any weights.

    Attributes:
        in_channels: of the denoising network.
        text_encoders: kinds of text encoders ("clip", "openclip", "t5").
        unet: whether the denoising network is a UNet (or else a transformer).
    """

    in_channels: int
    text_encoders: frozenset[str]
    unet: bool = True


class ModelFamily(Protocol):
    """All that is special to a family of models."""

    @property
    def name(self) -> str:
        """Its name for people."""
        ...

    @property
    def latent_format(self) -> LatentFormat:
        """The space it samples in; a checkpoint's own scale factor wins."""
        ...

    @property
    def default_config(self) -> Path:
        """LDM yaml with what a checkpoint's weights cannot tell (attention heads, noise schedule)."""
        ...

    def recognises(self, traits: ModelTraits) -> bool:
        """Whether a checkpoint with these traits belongs to this family."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A checkpoint in memory.

    Attributes:
        family: what kind of model it is.
        network: the denoising network. Its weights may be changed in place.
        text_encoder: encodes prompts.
        vae: decodes latents.
        prediction: what the network predicts.
        noise: the noise levels it was trained on.
        latent_format: the space it samples in.
        device: where it computes.
        dtype: in which number format the network computes.
        layout: in which memory format the network computes.
    """

    family: ModelFamily
    network: nn.Module
    text_encoder: TextEncoder
    vae: Vae
    prediction: Prediction
    noise: DiscreteNoise
    latent_format: LatentFormat
    device: torch.device
    dtype: torch.dtype
    layout: torch.memory_format

    def predict(self, x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        """Call the network: the only place where that happens.

        Args:
            x: noisy latents at the network's input scale, float32 [B, C, h, w], on `device`.
            t: timesteps 0..999, float [B]; they need not be whole numbers.
            conditioning: of B pictures.

        Returns:
            The network's output, float32 [B, C, h, w].
        """
        x = x.to(self.dtype, memory_format=self.layout)
        output = self.network(x, t, conditioning.cross_attention.to(self.dtype), return_dict=False)[0]
        return output.float()

    def sampling_bytes(self, width: int, height: int, batch: int) -> int:
        """Return about how much memory the network takes at its peak for `batch` pictures of `width` × `height` px.

        Guidance doubles the pictures that go through it.
        """
        cells = (width // self.latent_format.downscale) * (height // self.latent_format.downscale)
        return 2 * batch * cells * VALUES_PER_CELL * self.dtype.itemsize

    def decode(self, latent: Tensor) -> Tensor:
        """Return the picture, float32 [1, 3, H, W] in about -1..1, of one latent [1, C, h, w] as samplers make it.

        Raises:
            EaselError: the latent holds values that are no numbers.
        """
        return self.vae.decode(latent / self.latent_format.scale)

    def latent_to_preview(self, latent: Tensor) -> npt.NDArray[np.uint8]:
        """Return a rough look at latents [B, C, h, w] as samplers make them: RGB [B, h, w, 3], one px per cell."""
        factors = torch.tensor(self.latent_format.rgb_factors, device=latent.device, dtype=torch.float32)
        colours = torch.einsum("bchw,cr->bhwr", latent.float(), factors)
        return ((colours + 1) * 127.5).clamp(0, 255).to(torch.uint8).cpu().numpy()
