"""Stable Diffusion XL, base and refiner (arXiv:2307.01952): networks that are also told the picture's size."""

from pathlib import Path

import torch
from diffusers.models.embeddings import get_timestep_embedding
from torch import Tensor

from modules.conditioning.conditioning import Conditioning
from modules.conditioning.encode import EncodedText, PictureFacts
from modules.core.paths import CONFIGS
from modules.families.architecture import PredictionKind, UNetArchitecture
from modules.families.base import EXTRA_CHANNELS, LoadedModel, ModelTraits
from modules.families.clip import TextPart
from modules.families.latents import SDXL_LATENTS, LatentFormat
from modules.sampling.schedules import ALIGN_YOUR_STEPS_SDXL

NUMBER_WIDTH = 256
"""Width of the embedding of one number: those of a size, a corner or a score."""


class StableDiffusionXL:
    """The family of the base model and everything trained or pruned from it, for inpainting too."""

    @property
    def name(self) -> str:
        """Its name for people."""
        return "SDXL"

    @property
    def latent_format(self) -> LatentFormat:
        """That of SDXL's VAE."""
        return SDXL_LATENTS

    @property
    def align_your_steps(self) -> tuple[float, ...]:
        """See `ScheduleOptions`."""
        return ALIGN_YOUR_STEPS_SDXL

    @property
    def text_parts(self) -> tuple[TextPart, ...]:
        """CLIP ViT-L/14 and OpenCLIP ViT-bigG/14, the last layer but one of each, without a norm.

        As in A1111, people may choose another layer of CLIP's alone, and 1 is then the last one, not the usual one.
        """
        return (
            TextPart(
                kind="clip",
                prefixes=("conditioner.embedders.0.transformer.",),
                folder="text_encoder",
                folder_layer=2,
                optional_clip_skip=True,
                final_norm=False,
            ),
            TextPart(
                kind="openclip",
                prefixes=("conditioner.embedders.1.model.",),
                folder="text_encoder_2",
                folder_layer=2,
                final_norm=False,
                pooled=True,
            ),
        )

    @property
    def default_config(self) -> Path:
        """The configuration of the base model 1.0."""
        return CONFIGS / "sdxl" / "sd_xl_base.yaml"

    def recognises(self, traits: ModelTraits) -> bool:
        """Whether it is a UNet that is told by both text encoders and by the size."""
        told = traits.text_encoders == frozenset({"clip", "openclip"}) and traits.vector == "size"
        return traits.unet and told and traits.in_channels in EXTRA_CHANNELS

    def vector_dim(self, pooled_dim: int) -> int | None:
        """Return the width of the text as a whole and of six numbers."""
        return pooled_dim + 6 * NUMBER_WIDTH

    def condition(self, text: EncodedText, picture: PictureFacts, *, negative: bool) -> Conditioning:
        """Return the tokens; beside them original size, crop and target size, the first and the last being equal.

        A negative prompt that says nothing is all zeros, as in A1111.
        """
        size = (picture.height, picture.width)
        return _conditioning(text, (*size, picture.crop_top, picture.crop_left, *size), negative=negative)

    def find_prediction(self, model: LoadedModel, architecture: UNetArchitecture) -> PredictionKind:
        """Return "eps": checkpoints trained for v say so."""
        del model, architecture
        return "eps"


class StableDiffusionXLRefiner:
    """The family of the refiner, which finishes pictures of the base model."""

    @property
    def name(self) -> str:
        """Its name for people."""
        return "SDXL refiner"

    @property
    def latent_format(self) -> LatentFormat:
        """That of SDXL's VAE."""
        return SDXL_LATENTS

    @property
    def align_your_steps(self) -> tuple[float, ...]:
        """See `ScheduleOptions`."""
        return ALIGN_YOUR_STEPS_SDXL

    @property
    def text_parts(self) -> tuple[TextPart, ...]:
        """OpenCLIP ViT-bigG/14, its last layer but one, without a norm."""
        return (
            TextPart(
                kind="openclip",
                prefixes=("conditioner.embedders.0.model.",),
                folder="text_encoder_2",
                folder_layer=2,
                final_norm=False,
                pooled=True,
            ),
        )

    @property
    def default_config(self) -> Path:
        """The configuration of the refiner 1.0."""
        return CONFIGS / "sdxl" / "sd_xl_refiner.yaml"

    def recognises(self, traits: ModelTraits) -> bool:
        """Whether it is a UNet that is told by OpenCLIP alone, and by the size."""
        told = traits.text_encoders == frozenset({"openclip"}) and traits.vector == "size"
        return traits.unet and told and traits.in_channels in EXTRA_CHANNELS

    def vector_dim(self, pooled_dim: int) -> int | None:
        """Return the width of the text as a whole and of five numbers."""
        return pooled_dim + 5 * NUMBER_WIDTH

    def condition(self, text: EncodedText, picture: PictureFacts, *, negative: bool) -> Conditioning:
        """Return the tokens; beside them original size, crop and aesthetic score.

        A negative prompt that says nothing is all zeros, as in A1111.
        """
        score = picture.negative_aesthetic_score if negative else picture.aesthetic_score
        numbers = (picture.height, picture.width, picture.crop_top, picture.crop_left, score)
        return _conditioning(text, numbers, negative=negative)

    def find_prediction(self, model: LoadedModel, architecture: UNetArchitecture) -> PredictionKind:
        """Return "eps", for which the only refiner was trained."""
        del model, architecture
        return "eps"


def _conditioning(text: EncodedText, numbers: tuple[float, ...], *, negative: bool) -> Conditioning:
    said = text.silenced() if negative and text.empty else text
    parts = [embedded(numbers, text.vectors.device)]
    if said.pooled is not None:
        parts.insert(0, said.pooled.float())
    return Conditioning(cross_attention=said.vectors, vector=torch.cat(parts, 1))


def embedded(numbers: tuple[float, ...], device: torch.device) -> Tensor:
    """Return sines and cosines of each number one after the other, float32 [1, 256 · N] (arXiv:2307.01952, 2.2)."""
    waves = get_timestep_embedding(
        torch.tensor(numbers, dtype=torch.float32), NUMBER_WIDTH, flip_sin_to_cos=True, downscale_freq_shift=0
    )
    return waves.flatten()[None].to(device)
