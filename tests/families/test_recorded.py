"""The networks against what A1111's gave for the same checkpoint; see `tests/data/networks/README.md`."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from modules.conditioning.conditioning import Conditioning
from modules.families.base import LoadedModel
from modules.hardware.dtype import Precision
from modules.loading.build import load_checkpoint
from modules.prompting.tokenizer import ClipTokenizer
from tests.recorded_checkpoint import write_recorded_checkpoint

DATA = Path(__file__).parents[1] / "data" / "networks" / "recorded.npz"
FULL = Precision(network=torch.float32, vae=torch.float32, text=torch.float32)
PROMPT, NEGATIVE = "a red cat sitting on a wooden table, masterpiece", "blurry, low quality"
CFG_SCALE, STEPS = 7.0, 8

Recorded = dict[str, Tensor]


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    with np.load(DATA) as data:
        return {name: torch.tensor(array) for name, array in data.items()}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadedModel]:
    path = write_recorded_checkpoint(tmp_path_factory.mktemp("recorded"))
    with torch.inference_mode():
        yield load_checkpoint(path, config=path.with_suffix(".yaml"), device=torch.device("cpu"), precision=FULL)


def tokens(tokenizer: ClipTokenizer, text: str) -> Tensor:
    ids = [tokenizer.start_id, *tokenizer.encode(text)]
    return torch.tensor([ids + [tokenizer.end_id] * (77 - len(ids))])


def conditioning(recorded: Recorded) -> Conditioning:
    return Conditioning(cross_attention=torch.cat((recorded["cond"], recorded["uncond"])))


def denoise(model: LoadedModel, told: Conditioning, x: Tensor, sigma: Tensor) -> Tensor:
    """Both halves of guidance through `predict`, put together by hand."""
    x, sigma = torch.cat((x, x)), torch.cat((sigma, sigma))
    scaled = x / (sigma**2 + 1)[:, None, None, None] ** 0.5
    output = model.predict(scaled, model.noise.sigma_to_t(sigma), told)
    cond, uncond = (x - sigma[:, None, None, None] * output).chunk(2)
    return uncond + CFG_SCALE * (cond - uncond)


@torch.inference_mode()
@pytest.mark.parametrize(
    ("text", "clip_skip", "name"), [(PROMPT, 1, "cond"), (NEGATIVE, 1, "uncond"), (PROMPT, 4, "clip_skip_4")]
)
def test_text_encoder(model: LoadedModel, recorded: Recorded, text: str, clip_skip: int, name: str) -> None:
    encoder = model.text_encoder.encoders[0]
    vectors = encoder.encode(tokens(encoder.tokenizer, text), clip_skip).vectors
    torch.testing.assert_close(vectors, recorded[name], atol=1e-5, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("call", [0, 4, 7])
def test_network(model: LoadedModel, recorded: Recorded, call: int) -> None:
    denoised = denoise(model, conditioning(recorded), recorded[f"x_{call}"], recorded[f"sigma_{call}"])
    # x is up to 60 at the first call, so this is the last digit or two of float32.
    torch.testing.assert_close(denoised, recorded[f"denoised_{call}"], atol=2e-4, rtol=0)


@torch.inference_mode()
def test_a_size_that_is_no_multiple_of_64_px(model: LoadedModel, recorded: Recorded) -> None:
    told = conditioning(recorded)
    levels = model.noise.t_to_sigma(torch.linspace(999, 0, STEPS))
    x = recorded["odd_noise"] * levels[0]
    for sigma, following in zip(levels, [*levels[1:], torch.tensor(0.0)], strict=True):
        x = x + (x - denoise(model, told, x, sigma[None])) / sigma * (following - sigma)
    torch.testing.assert_close(x, recorded["odd_latent"], atol=1e-3, rtol=0)


@torch.inference_mode()
def test_vae(model: LoadedModel, recorded: Recorded) -> None:
    picture = model.decode(recorded["latent"])
    assert picture.shape == (1, 3, 64, 64)
    assert picture.dtype == torch.float32
    levels = (((picture[0] + 1) / 2).clamp(0, 1) * 255).permute(1, 2, 0).to(torch.uint8)
    difference = (levels.int() - recorded["picture"].int()).abs()
    assert difference.max() <= 1
    assert (difference > 0).float().mean() < 0.001
