"""Stable Diffusion 2.x: as 1.x, but told by OpenCLIP ViT-H/14 and trained for the noise or for v (arXiv:2202.00512)."""

from pathlib import Path

import torch

from modules.conditioning.conditioning import Conditioning
from modules.conditioning.encode import EncodedText, PictureFacts
from modules.core.paths import CONFIGS
from modules.families.architecture import PredictionKind, UNetArchitecture
from modules.families.base import EXTRA_CHANNELS, LoadedModel, ModelTraits
from modules.families.clip import TextPart
from modules.families.latents import KL_F8, LatentFormat
from modules.sampling.schedules import ALIGN_YOUR_STEPS_SD1


class StableDiffusion2:
    """The family of 2.0 and 2.1 at 512 and 768 px and everything trained from them, for inpainting too."""

    @property
    def name(self) -> str:
        """Its name for people."""
        return "SD 2.x"

    @property
    def latent_format(self) -> LatentFormat:
        """That of KL-f8."""
        return KL_F8

    @property
    def align_your_steps(self) -> tuple[float, ...]:
        """See `ScheduleOptions`."""
        return ALIGN_YOUR_STEPS_SD1

    @property
    def text_parts(self) -> tuple[TextPart, ...]:
        """OpenCLIP ViT-H/14, whose last layer but one is used (the yaml says it). SD-Turbo has it where SDXL would."""
        prefixes = ("cond_stage_model.model.", "conditioner.embedders.0.model.")
        return (TextPart(kind="openclip", prefixes=prefixes, folder="text_encoder"),)

    @property
    def default_config(self) -> Path:
        """The configuration of 2.0 and 2.1, which leaves open what is predicted."""
        return CONFIGS / "sd2" / "v2-inference.yaml"

    def recognises(self, traits: ModelTraits) -> bool:
        """Whether it is a UNet that is told by OpenCLIP's tokens alone."""
        told = traits.text_encoders == frozenset({"openclip"}) and traits.vector is None
        return traits.unet and told and traits.in_channels in EXTRA_CHANNELS

    def vector_dim(self, pooled_dim: int) -> int | None:
        """Return None: there is no vector."""
        del pooled_dim

    def condition(self, text: EncodedText, picture: PictureFacts, *, negative: bool) -> Conditioning:
        """Return the text's tokens, which are all that the network is told."""
        del picture, negative
        return Conditioning(cross_attention=text.vectors)

    def find_prediction(self, model: LoadedModel, architecture: UNetArchitecture) -> PredictionKind:
        """Try the network on a grey latent at the last timestep, where a latent is nearly all noise.

        A network that predicts the noise returns about what it is given. One that predicts v returns about the negative
        of a picture, which makes a difference below -1 on average (A1111's test and its threshold). Inpainting models
        of this family predict the noise.
        """
        if model.extra_channels is not None:
            return "eps"
        x = torch.full((1, model.latent_format.channels, 8, 8), 0.5, device=model.device)
        told = Conditioning(cross_attention=torch.full((1, 2, architecture.context_dim), 0.5, device=model.device))
        output = model.predict(x, torch.tensor([999.0], device=model.device), told)
        return "v" if (output - x).mean().item() < -1 else "eps"
