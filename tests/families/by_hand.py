"""Loaded models used without the pipeline: texts, guidance and Euler steps put together by hand."""

from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from modules.conditioning.conditioning import Conditioning, stack
from modules.conditioning.encode import PictureFacts, TextOptions, condition_texts, encode_texts
from modules.core.cancellation import CancelToken
from modules.families.base import LoadedModel
from modules.hardware.dtype import Precision
from modules.loading.build import load_checkpoint
from modules.prompting.schedule import prompt_schedule
from modules.sampling.timeline import Timeline

CPU = torch.device("cpu")
FULL = Precision(network=torch.float32, vae=torch.float32, text=torch.float32)
PROMPT, NEGATIVE = "a red cat sitting on a wooden table, masterpiece", "blurry, low quality"
CFG_SCALE, STEPS = 7.0, 8

Told = tuple[Timeline[Conditioning], Timeline[Conditioning]]


def load(path: Path, *, with_yaml: bool = True) -> LoadedModel:
    """Load a checkpoint in float32, described by the yaml beside it or by its weights."""
    config = path.with_suffix(".yaml") if with_yaml else None
    return load_checkpoint(path, config=config, device=CPU, precision=FULL)


def told(
    model: LoadedModel, prompt: str = PROMPT, negative: str = NEGATIVE, *, size: int = 64, clip_skip: int = 1
) -> Told:
    """Return what `model` is told about a square picture by a prompt and a negative prompt."""
    prompts, negatives = (
        condition_texts(
            model.text_encoder,
            encode_texts(
                model.text_encoder, prompt_schedule(text, STEPS), TextOptions(clip_skip=clip_skip), token=CancelToken()
            ),
            picture=PictureFacts(width=size, height=size),
            negative=is_negative,
        )
        for text, is_negative in ((prompt, False), (negative, True))
    )
    return prompts, negatives


def with_concat(said: Told, concat: Tensor) -> Told:
    """Return the same with channels beside the latents."""
    prompts, negatives = (
        Timeline(ends=one.ends, values=tuple(value.with_concat(concat) for value in one.values)) for one in said
    )
    return prompts, negatives


def denoise(model: LoadedModel, cond: Conditioning, uncond: Conditioning, x: Tensor, sigma: Tensor) -> Tensor:
    """Return what guidance makes of x [B,C,h,w] at sigma [B]."""
    both = stack([cond] * len(x)).join(stack([uncond] * len(x)))
    assert both is not None
    x, sigma = torch.cat((x, x)), torch.cat((sigma, sigma))
    scaled = x * model.prediction.input_scale(sigma)[:, None, None, None]
    output = model.predict(scaled, model.noise.sigma_to_t(sigma), both)
    prompts, negatives = model.prediction.denoised(output, x, sigma).chunk(2)
    return negatives + CFG_SCALE * (prompts - negatives)


def levels(model: LoadedModel, steps: int = STEPS) -> Tensor:
    """Return the noise levels [steps + 1] of the uniform schedule; the last one is 0."""
    return torch.cat((model.noise.t_to_sigma(torch.linspace(999, 0, steps)), torch.zeros(1)))


def euler(model: LoadedModel, said: Told, x: Tensor, sigmas: Tensor) -> Tensor:
    """Return the latents that Euler's method makes of x at the first noise level (arXiv:2206.00364, algorithm 1)."""
    for call, (sigma, following) in enumerate(pairwise(sigmas)):
        denoised = denoise(model, said[0].at(call), said[1].at(call), x, sigma.expand(len(x)))
        x = x + (x - denoised) / sigma * (following - sigma)
    return x
