"""What each family makes of an encoded text."""

import pytest
import torch
from diffusers.models.embeddings import Timesteps
from torch import Tensor

from modules.conditioning.encode import EncodedText, PictureFacts
from modules.families.base import ModelFamily
from modules.families.sd1 import StableDiffusion1
from modules.families.sd2 import StableDiffusion2
from modules.families.sdxl import StableDiffusionXL, StableDiffusionXLRefiner

PICTURE = PictureFacts(
    width=640, height=1536, crop_top=7, crop_left=9, aesthetic_score=6.5, negative_aesthetic_score=1.5
)
XL, REFINER = StableDiffusionXL(), StableDiffusionXLRefiner()


def text(*, empty: bool = False) -> EncodedText:
    return EncodedText(vectors=torch.randn(1, 154, 12), pooled=torch.randn(1, 8), empty=empty)


def waves(*numbers: float) -> Tensor:
    """What sgm's and diffusers' SDXL make of numbers."""
    embed = Timesteps(256, flip_sin_to_cos=True, downscale_freq_shift=0)
    return embed(torch.tensor(numbers)).flatten()[None]


@pytest.mark.parametrize("family", [StableDiffusion1(), StableDiffusion2()])
@pytest.mark.parametrize("negative", [False, True])
def test_sd_1_and_2_are_told_the_tokens_and_nothing_else(family: ModelFamily, negative: bool) -> None:
    said = text(empty=True)
    told = family.condition(said, PICTURE, negative=negative)
    assert told.cross_attention is said.vectors
    assert told.vector is None


@pytest.mark.parametrize("negative", [False, True])
def test_sdxl_is_told_sizes_and_crop_after_the_text(negative: bool) -> None:
    said = text()
    told = XL.condition(said, PICTURE, negative=negative)
    assert told.cross_attention is said.vectors
    assert said.pooled is not None
    assert told.vector is not None
    assert told.vector.equal(torch.cat((said.pooled, waves(1536, 640, 7, 9, 1536, 640)), 1))
    assert told.vector.shape[1] == XL.vector_dim(8)


@pytest.mark.parametrize(("negative", "score"), [(False, 6.5), (True, 1.5)])
def test_the_refiner_is_told_how_beautiful_it_is(negative: bool, score: float) -> None:
    said = text()
    told = REFINER.condition(said, PICTURE, negative=negative)
    assert said.pooled is not None
    assert told.vector is not None
    assert told.vector.equal(torch.cat((said.pooled, waves(1536, 640, 7, 9, score)), 1))
    assert told.vector.shape[1] == REFINER.vector_dim(8)


@pytest.mark.parametrize("family", [XL, REFINER])
def test_a_negative_prompt_that_says_nothing_is_zeros(family: ModelFamily) -> None:
    told = family.condition(text(empty=True), PICTURE, negative=True)
    assert told.cross_attention.shape == (1, 154, 12)
    assert not told.cross_attention.any()
    assert told.vector is not None
    assert not told.vector[:, :8].any()
    assert told.vector[:, 8:].any()


@pytest.mark.parametrize("family", [XL, REFINER])
def test_a_prompt_that_says_nothing_is_what_the_text_encoders_make_of_it(family: ModelFamily) -> None:
    said = text(empty=True)
    assert family.condition(said, PICTURE, negative=False).cross_attention is said.vectors


def test_the_vector_is_float32_in_half_precision_too() -> None:
    half = EncodedText(vectors=torch.randn(1, 77, 12).half(), pooled=torch.randn(1, 8).half(), empty=False)
    vector = XL.condition(half, PICTURE, negative=False).vector
    assert vector is not None
    assert vector.dtype == torch.float32
    assert vector[:, 8:].equal(waves(1536, 640, 7, 9, 1536, 640))
