"""What every model family offers, and the seam through which the pipeline uses a loaded model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from modules.conditioning.conditioning import Conditioning
from modules.conditioning.encode import EncodedText, PictureFacts, PromptEncoder
from modules.families.architecture import PredictionKind, UNetArchitecture
from modules.families.clip import TextPart
from modules.families.latents import LatentFormat
from modules.families.unet import VALUES_PER_CELL
from modules.families.vae import USUAL, Vae, VaeOptions
from modules.sampling.prediction import DiscreteNoise, Prediction

ExtraChannels = Literal["mask", "picture"]
"""What a network is given beside noisy latents: a mask and the latent of what it leaves visible (inpainting models),
or the latent of a picture to be edited (InstructPix2Pix)."""

EXTRA_CHANNELS: dict[int, ExtraChannels | None] = {4: None, 9: "mask", 8: "picture"}
"""By the network's input channels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTraits:
    """What tells families apart, read from a file's table of contents before any weights.

    Attributes:
        in_channels: of the denoising network.
        text_encoders: kinds of text encoders ("clip", "openclip").
        vector: what the network is told by a vector: a text as a whole with the picture's size ("size"), or a picture
            ("picture", unCLIP); None if by tokens alone.
        unet: whether the denoising network is a UNet (or else a transformer).
    """

    in_channels: int
    text_encoders: frozenset[str]
    vector: Literal["size", "picture"] | None = None
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
    def align_your_steps(self) -> tuple[float, ...]:
        """Noise levels that were optimised for it; see `sampling.schedules.ScheduleOptions`."""
        ...

    @property
    def text_parts(self) -> tuple[TextPart, ...]:
        """Its text encoders, in the order in which their vectors stand side by side."""
        ...

    @property
    def default_config(self) -> Path:
        """Yaml with what a checkpoint's weights cannot tell (attention heads, noise schedule)."""
        ...

    def recognises(self, traits: ModelTraits) -> bool:
        """Whether a checkpoint with these traits belongs to this family."""
        ...

    def vector_dim(self, pooled_dim: int) -> int | None:
        """Return the width of `Conditioning.vector`, None without one.

        Args:
            pooled_dim: width of what its text encoders say about a chunk as a whole, 0 if they say nothing.
        """
        ...

    def condition(self, text: EncodedText, picture: PictureFacts, *, negative: bool) -> Conditioning:
        """Return what the network is told about one picture; see `conditioning.encode.Condition`."""
        ...

    def find_prediction(self, model: "LoadedModel", architecture: UNetArchitecture) -> PredictionKind:
        """Say what the network of a checkpoint predicts that does not tell.

        Args:
            model: ready to be tried.
            architecture: of its network.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A checkpoint in memory.

    Attributes:
        family: what kind of model it is.
        network: the denoising network. Its weights may be changed in place.
        text_encoder: encodes prompts.
        vae: encodes pictures and decodes latents.
        prediction: what the network predicts.
        noise: the noise levels it was trained on.
        zero_terminal_snr: the last of these levels is pure noise already (arXiv:2305.08891).
        latent_format: the space it samples in.
        extra_channels: what the network is given beside noisy latents, None for most.
        device: where it computes.
        dtype: in which number format the network computes.
        layout: in which memory format the network computes.
    """

    family: ModelFamily
    network: nn.Module
    text_encoder: PromptEncoder
    vae: Vae
    prediction: Prediction
    noise: DiscreteNoise
    zero_terminal_snr: bool = False
    latent_format: LatentFormat
    extra_channels: ExtraChannels | None = None
    device: torch.device
    dtype: torch.dtype
    layout: torch.memory_format

    def predict(self, x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        """Call the network: the only place where that happens.

        Args:
            x: noisy latents at the network's input scale, float32 [B, C, h, w], on `device`.
            t: timesteps 0..999, float [B]; they need not be whole numbers.
            conditioning: of B pictures, on `device`; with `concat` if the model has extra channels.

        Returns:
            The network's output, float32 [B, C, h, w].
        """
        if conditioning.concat is not None:
            x = torch.cat((x, conditioning.concat), 1)
        vector = conditioning.vector
        output = self.network(
            x.to(self.dtype, memory_format=self.layout),
            t,
            conditioning.cross_attention.to(self.dtype),
            class_labels=None if vector is None else vector.to(self.dtype),
            return_dict=False,
        )[0]
        return output.float()

    def sampling_bytes(self, width: int, height: int, batch: int) -> int:
        """Return about how much memory the network takes at its peak for `batch` pictures of `width` × `height` px.

        Guidance doubles the pictures that go through it.
        """
        cells = (width // self.latent_format.downscale) * (height // self.latent_format.downscale)
        return 2 * batch * cells * VALUES_PER_CELL * self.dtype.itemsize

    def encode(self, picture: Tensor, options: VaeOptions = USUAL) -> Tensor:
        """Return the latent [1, C, h, w], as samplers make it, of one picture [1, 3, H, W] in -1..1.

        Args:
            picture: its sides are multiples of 8 px.
            options: how the VAE may help itself.

        Raises:
            EaselError: the picture holds values that are no numbers, or the VAE makes such.
        """
        return self.vae.encode(picture, options) * self.latent_format.scale

    def decode(self, latent: Tensor, options: VaeOptions = USUAL) -> Tensor:
        """Return the picture, float32 [1, 3, H, W] in about -1..1, of one latent [1, C, h, w] as samplers make it.

        Args:
            latent: as samplers make it.
            options: how the VAE may help itself.

        Raises:
            EaselError: the latent holds values that are no numbers, or the VAE makes such.
        """
        return self.vae.decode(latent / self.latent_format.scale, options)

    def latent_to_preview(self, latent: Tensor) -> npt.NDArray[np.uint8]:
        """Return a rough look at latents [B, C, h, w] as samplers make them: RGB [B, h, w, 3], one px per cell."""
        factors, bias = (
            torch.tensor(numbers, device=latent.device, dtype=torch.float32)
            for numbers in (self.latent_format.rgb_factors, self.latent_format.rgb_bias)
        )
        colours = torch.einsum("bchw,cr->bhwr", latent.float(), factors) + bias
        return ((colours + 1) * 127.5).clamp(0, 255).to(torch.uint8).cpu().numpy()
