"""Stable Diffusion 1.x: a UNet on 4-channel latents, told by one CLIP text encoder (arXiv:2112.10752)."""

from pathlib import Path

from modules.conditioning.conditioning import Conditioning
from modules.conditioning.encode import EncodedText, PictureFacts
from modules.core.paths import CONFIGS
from modules.families.architecture import PredictionKind, UNetArchitecture
from modules.families.base import EXTRA_CHANNELS, LoadedModel, ModelTraits
from modules.families.clip import TextPart
from modules.families.latents import KL_F8, LatentFormat
from modules.sampling.schedules import ALIGN_YOUR_STEPS_SD1


class StableDiffusion1:
    """The family of v1-4, v1-5 and everything trained from them, for inpainting and editing too."""

    @property
    def name(self) -> str:
        """Its name for people."""
        return "SD 1.x"

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
        """CLIP ViT-L/14."""
        return (
            TextPart(kind="clip", prefixes=("cond_stage_model.transformer.",), folder="text_encoder", clip_skip=True),
        )

    @property
    def default_config(self) -> Path:
        """The configuration that v1-4 and v1-5 were trained with."""
        return CONFIGS / "sd1" / "v1-inference.yaml"

    def recognises(self, traits: ModelTraits) -> bool:
        """Whether it is a UNet that is told by CLIP's tokens alone."""
        told = traits.text_encoders == frozenset({"clip"}) and traits.vector is None
        return traits.unet and told and traits.in_channels in EXTRA_CHANNELS

    def vector_dim(self, pooled_dim: int) -> int | None:
        """Return None: there is no vector."""
        del pooled_dim

    def condition(self, text: EncodedText, picture: PictureFacts, *, negative: bool) -> Conditioning:
        """Return the text's tokens, which are all that the network is told."""
        del picture, negative
        return Conditioning(cross_attention=text.vectors)

    def find_prediction(self, model: LoadedModel, architecture: UNetArchitecture) -> PredictionKind:
        """Return "eps": who trained for v says so in a yaml."""
        del model, architecture
        return "eps"
