"""Stable Diffusion 1.x: a UNet on 4-channel latents, told by one CLIP text encoder (arXiv:2112.10752)."""

from pathlib import Path

from modules.core.paths import CONFIGS
from modules.families.base import LatentFormat, ModelTraits


class StableDiffusion1:
    """The family of v1-4, v1-5 and everything trained from them."""

    @property
    def name(self) -> str:
        """Its name for people."""
        return "SD 1.x"

    @property
    def latent_format(self) -> LatentFormat:
        """Latents of KL-f8; colours found by least squares (keturn, discuss.huggingface.co, topic 23204, 2022)."""
        return LatentFormat(
            channels=4,
            downscale=8,
            scale=0.18215,
            rgb_factors=(
                (0.298, 0.207, 0.208),
                (0.187, 0.286, 0.173),
                (-0.158, 0.189, 0.264),
                (-0.184, -0.271, -0.473),
            ),
        )

    @property
    def default_config(self) -> Path:
        """The configuration that v1-4 and v1-5 were trained with."""
        return CONFIGS / "sd1" / "v1-inference.yaml"

    def recognises(self, traits: ModelTraits) -> bool:
        """Whether it is a UNet on plain latents with CLIP's text encoder and no other."""
        return traits.unet and traits.in_channels == 4 and traits.text_encoders == frozenset({"clip"})
