"""The spaces that models sample in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentFormat:
    """The space that a family samples in.

    Attributes:
        channels: of a latent.
        downscale: px per latent cell, in each direction.
        scale: latents of the VAE are multiplied by this, so that their standard deviation is about 1.
        rgb_factors: [channels][3], the best linear guess at a cell's colour (-1..1); for previews.
        rgb_bias: [3], the colour of a cell of zeros.
    """

    channels: int
    downscale: int
    scale: float
    rgb_factors: tuple[tuple[float, float, float], ...]
    rgb_bias: tuple[float, float, float] = (0.0, 0.0, 0.0)


KL_F8 = LatentFormat(
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
"""Latents of the VAE of SD 1.x and 2.x; colours found by least squares (keturn, discuss.huggingface.co, topic 23204,
2022)."""

SDXL_LATENTS = LatentFormat(
    channels=4,
    downscale=8,
    scale=0.13025,
    # In the source for levels 0..255, whose middle is 127.5.
    rgb_factors=(
        (60 / 127.5, 60 / 127.5, 60 / 127.5),
        (-60 / 127.5, -5 / 127.5, 10 / 127.5),
        (25 / 127.5, 15 / 127.5, -5 / 127.5),
        (-70 / 127.5, -50 / 127.5, -35 / 127.5),
    ),
    rgb_bias=(22.5 / 127.5, 12.5 / 127.5, 2.5 / 127.5),
)
"""Latents of SDXL's VAE; colours by Timothy Alexis Vass ("Explaining the SDXL latent space", huggingface.co/blog,
2023)."""
