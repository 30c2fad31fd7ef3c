"""SD 2.x, SDXL and inpainting against what A1111 gave for the same checkpoints; see `tests/data/networks/README.md`."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor

from modules.conditioning.encode import TextOptions, encode_texts
from modules.core.cancellation import CancelToken
from modules.families.base import LoadedModel
from modules.prompting.chunks import chunk_prompt
from modules.prompting.schedule import prompt_schedule
from tests.families.by_hand import NEGATIVE, PROMPT, STEPS, Told, denoise, euler, levels, load, told, with_concat
from tests.recorded_checkpoint import write_recorded_inpainting, write_recorded_sd2_v, write_recorded_sdxl
from tests.recorded_weights import TEXT_WIDTH

DATA = Path(__file__).parents[1] / "data" / "networks"
CALLS = [0, 4, 7]

Recorded = dict[str, Tensor]


def read(name: str) -> Recorded:
    with np.load(DATA / f"recorded_{name}.npz") as data:
        return {key: torch.tensor(array) for key, array in data.items()}


@pytest.fixture(scope="module")
def sd2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadedModel]:
    with torch.inference_mode():
        yield load(write_recorded_sd2_v(tmp_path_factory.mktemp("sd2")))


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadedModel]:
    with torch.inference_mode():
        yield load(write_recorded_sdxl(tmp_path_factory.mktemp("sdxl")))


@pytest.fixture(scope="module")
def inpainting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadedModel]:
    with torch.inference_mode():
        yield load(write_recorded_inpainting(tmp_path_factory.mktemp("inpainting")))


@torch.inference_mode()
def check_calls(model: LoadedModel, said: Told, recorded: Recorded) -> None:
    for call in CALLS:
        x, sigma = recorded[f"x_{call}"], recorded[f"sigma_{call}"]
        denoised = denoise(model, said[0].at(call), said[1].at(call), x, sigma)
        # x is up to 60 at the first call, so this is the last digit or two of float32.
        torch.testing.assert_close(denoised, recorded[f"denoised_{call}"], atol=2e-4, rtol=0)


@torch.inference_mode()
def check_latent(model: LoadedModel, said: Told, recorded: Recorded, case: str) -> None:
    sigmas = levels(model)
    expected = recorded[f"{case}.latent"]
    latents = euler(model, said, recorded[f"{case}.noise"] * sigmas[0], sigmas)
    torch.testing.assert_close(latents, expected, atol=2e-4, rtol=0)


def test_sd2_predicts_v(sd2: LoadedModel) -> None:
    check_calls(sd2, told(sd2), read("sd2v"))


def test_sd2_pays_no_attention_to_clip_skip(sd2: LoadedModel) -> None:
    check_latent(sd2, told(sd2, clip_skip=3), read("sd2v"), "clip_skip")


def test_sd2_without_prompts(sd2: LoadedModel) -> None:
    check_latent(sd2, told(sd2, "", ""), read("sd2v"), "empty")


def test_sdxl(sdxl: LoadedModel) -> None:
    check_calls(sdxl, told(sdxl), read("sdxl"))


@pytest.mark.parametrize(
    ("case", "prompt", "negative", "clip_skip"),
    [
        ("clip_skip", PROMPT, NEGATIVE, 2),
        ("empty_negative", PROMPT, "", 1),
        ("empty", "", "", 1),
        ("editing", "a red [cat:dog:0.5]", NEGATIVE, 1),
        ("batch", PROMPT, NEGATIVE, 1),
    ],
)
def test_what_sdxl_is_told(sdxl: LoadedModel, case: str, prompt: str, negative: str, clip_skip: int) -> None:
    check_latent(sdxl, told(sdxl, prompt, negative, clip_skip=clip_skip), read("sdxl"), case)


@torch.inference_mode()
@pytest.mark.parametrize("clip_skip", [1, 2, 3])
def test_sdxl_takes_another_layer_of_clip_alone_if_people_insist(sdxl: LoadedModel, clip_skip: int) -> None:
    def vectors(options: TextOptions) -> Tensor:
        encoded = encode_texts(sdxl.text_encoder, prompt_schedule("a cat", STEPS), options, token=CancelToken())
        return encoded.at(0).vectors

    usual, asked = (vectors(TextOptions(clip_skip=clip_skip, optional_clip_skip=insist)) for insist in (False, True))
    clip = sdxl.text_encoder.encoders[0]
    tokens = torch.tensor([chunk_prompt("a cat", clip.tokenizer, backtrack=20).chunks[0].tokens])
    hidden = clip.module(tokens, output_hidden_states=True).hidden_states
    torch.testing.assert_close(usual[..., :TEXT_WIDTH], hidden[-2])
    torch.testing.assert_close(asked[..., :TEXT_WIDTH], hidden[-clip_skip])
    assert asked[..., TEXT_WIDTH:].equal(usual[..., TEXT_WIDTH:])


@torch.inference_mode()
def test_sdxl_is_told_the_size_of_the_pass(sdxl: LoadedModel) -> None:
    recorded, sigmas = read("sdxl"), levels(sdxl)
    first = euler(sdxl, told(sdxl), recorded["hires.noise"] * sigmas[0], sigmas)
    enlarged = F.interpolate(first, scale_factor=2, mode="bilinear")
    # Denoising strength 0.6 and 8 steps: the last 8 of 13 steps.
    second = levels(sdxl, 13)[-(STEPS + 1) :]
    latents = euler(sdxl, told(sdxl, size=128), enlarged + recorded["hires.second_noise"] * second[0], second)
    torch.testing.assert_close(latents, recorded["hires.latent"], atol=2e-4, rtol=0)


def masked(model: LoadedModel, picture: Tensor) -> Tensor:
    """Return the channels of a picture that is to be made anew everywhere: the mask and the picture's latent."""
    latent = model.encode(picture)
    return torch.cat((torch.ones_like(latent[:, :1]), latent), 1)


@torch.inference_mode()
def test_an_inpainting_model_makes_a_picture_anew(inpainting: LoadedModel) -> None:
    channels = masked(inpainting, torch.zeros(1, 3, 64, 64))
    check_calls(inpainting, with_concat(told(inpainting), channels), read("inpainting"))


@torch.inference_mode()
@pytest.mark.parametrize("strength", [1, 0.5])
def test_an_inpainting_model_changes_a_whole_picture(inpainting: LoadedModel, strength: float) -> None:
    recorded = read("inpainting")
    picture = recorded["picture"].permute(2, 0, 1)[None].float() / 127.5 - 1
    channels = masked(inpainting, picture * (1 - strength))
    # Denoising strength 0.75 of 8 steps: the last 7.
    sigmas = levels(inpainting)[1:]
    noisy = inpainting.encode(picture) + recorded[f"picture_strength_{strength}.noise"] * sigmas[0]
    latents = euler(inpainting, with_concat(told(inpainting), channels), noisy, sigmas)
    torch.testing.assert_close(latents, recorded[f"picture_strength_{strength}.latent"], atol=2e-4, rtol=0)
