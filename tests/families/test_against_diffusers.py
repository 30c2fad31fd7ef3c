"""Texts, network, VAE and trajectories against diffusers' pipelines for SD 1.x, SD 2.x (v) and SDXL of random weights.

Prompts have no emphasis here and fit into one chunk, since diffusers knows neither emphasis nor chunks.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from modules.conditioning.conditioning import stack
from modules.core.cancellation import CancelToken
from modules.core.paths import CONFIGS
from modules.families.base import LoadedModel
from modules.sampling.denoiser import GuidanceOptions, GuidedDenoiser, Network, Told, WeightedPrompt
from modules.sampling.loop import Run, SamplingPlan, sample
from modules.sampling.noise import ImageNoise
from modules.sampling.samplers.timesteps import TimestepOptions
from tests.checkpoint_variants import UNET_CONFIG, VAE_CONFIG, convert_with_diffusers
from tests.families.by_hand import CFG_SCALE, CPU, load, told
from tests.family_folders import Config, Folder, Part, as_tensors, sd2_folder, sdxl_folder
from tests.recorded_checkpoint import (
    SD2_V_YAML,
    XL_YAML,
    recorded_sd2_v,
    recorded_sdxl,
    write_recorded,
)
from tests.tiny_checkpoint import TEXT, TEXT_CONFIG, tiny_sd1_tensors, write_tiny_sd1

PROMPT, NEGATIVE = "a red cat on a table", "blurry"
STEPS = 10  # Euler's begin at whole timesteps: 999, 888 … 0
SEED = 2

PipelineClass = Any


class Pair(NamedTuple):
    """The same checkpoint twice.

    Attributes:
        ours: loaded by us.
        theirs: a pipeline of diffusers.
        schedule: what all schedulers of diffusers must know of it: the betas, and what the network predicts.
    """

    ours: LoadedModel
    theirs: PipelineClass
    schedule: Config


def network(part: Part, kind: Any) -> Any:
    """Return diffusers' or transformers' module of a part, in float32."""
    config = {key: value for key, value in part.config.items() if not key.startswith("_")}
    module = kind(CLIPTextConfig(**config)) if kind.__module__.startswith("transformers") else kind(**config)
    tensors = part.tensors
    if isinstance(module, CLIPTextModel):
        tensors = {name.removeprefix("text_model."): tensor for name, tensor in tensors.items()}
    module.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    return module.requires_grad_(False).eval()


def tokenizer(pad: str) -> CLIPTokenizer:
    files = {"vocab": str(CONFIGS / "clip" / "vocab.json"), "merges": str(CONFIGS / "clip" / "merges.txt")}
    return CLIPTokenizer(**files, pad_token=pad, model_max_length=77)


def sd1(folder: Path) -> Pair:
    path = write_tiny_sd1(folder)
    tensors = tiny_sd1_tensors()
    unet, vae = convert_with_diffusers(tensors)
    prefix = TEXT.removesuffix("text_model.")
    text = {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix) and not name.endswith("position_ids")
    }
    parts = {
        "unet": Part(config=UNET_CONFIG, tensors=unet),
        "vae": Part(config=VAE_CONFIG, tensors=vae),
        "text_encoder": Part(config=TEXT_CONFIG | {"eos_token_id": 49407}, tensors=text),
    }
    schedule = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    return plain_pair(path, Folder(parts=parts, scheduler=schedule), pad="<|endoftext|>")


def sd2(folder: Path) -> Pair:
    arrays = recorded_sd2_v()
    path = write_recorded(folder / "two.safetensors", arrays, SD2_V_YAML)
    return plain_pair(path, sd2_folder(as_tensors(arrays)), pad="!")


def plain_pair(path: Path, folder: Folder, *, pad: str) -> Pair:
    theirs = StableDiffusionPipeline(
        vae=network(folder.parts["vae"], AutoencoderKL),
        text_encoder=network(folder.parts["text_encoder"], CLIPTextModel),
        tokenizer=tokenizer(pad),
        unet=network(folder.parts["unet"], UNet2DConditionModel),
        scheduler=cast("Any", EulerDiscreteScheduler()),
        safety_checker=cast("Any", None),
        feature_extractor=cast("Any", None),
        requires_safety_checker=False,
    )
    return Pair(load(path), theirs, folder.scheduler)


def sdxl(folder: Path) -> Pair:
    arrays = recorded_sdxl()
    path = write_recorded(folder / "xl.safetensors", arrays, XL_YAML)
    split = sdxl_folder(as_tensors(arrays))
    parts = split.parts
    theirs = StableDiffusionXLPipeline(
        vae=network(parts["vae"], AutoencoderKL),
        text_encoder=network(parts["text_encoder"], CLIPTextModel),
        text_encoder_2=network(parts["text_encoder_2"], CLIPTextModelWithProjection),
        tokenizer=tokenizer("<|endoftext|>"),
        tokenizer_2=tokenizer("!"),
        unet=network(parts["unet"], UNet2DConditionModel),
        scheduler=cast("Any", EulerDiscreteScheduler()),
        add_watermarker=False,
    )
    return Pair(load(path), theirs, split.scheduler)


@pytest.fixture(scope="module", params=[sd1, sd2, sdxl], ids=["SD 1.x", "SD 2.x", "SDXL"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    make = cast("Callable[[Path], Pair]", request.param)
    made = make(tmp_path_factory.mktemp("pair"))
    made.theirs.set_progress_bar_config(disable=True)
    return made


def encoded(pipeline: PipelineClass) -> tuple[list[Tensor], list[Tensor]]:
    """Return the tokens that diffusers' pipeline makes of prompt and negative prompt, and what it pools if it does."""
    made = pipeline.encode_prompt(
        PROMPT, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=True, negative_prompt=NEGATIVE
    )
    return list(made[0::2]), list(made[1::2])


@torch.inference_mode()
def test_texts(pair: Pair) -> None:
    said = told(pair.ours, PROMPT, NEGATIVE)
    for timeline, theirs in zip(said, encoded(pair.theirs), strict=True):
        ours = timeline.at(0)
        torch.testing.assert_close(ours.cross_attention, theirs[0], atol=1e-5, rtol=1e-5)
        if ours.vector is not None:
            torch.testing.assert_close(ours.vector[:, : theirs[1].shape[1]], theirs[1], atol=1e-5, rtol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("t", [0.0, 321.5, 999.0])
def test_the_network(pair: Pair, t: float) -> None:
    ours = told(pair.ours, PROMPT, NEGATIVE)[0].at(0)
    x = torch.randn(1, 4, 8, 16, generator=torch.Generator().manual_seed(1))
    facts = dict[str, Tensor]()
    if ours.vector is not None:
        # Height and width of the original, top and left of the crop, height and width of the target.
        facts = {"text_embeds": encoded(pair.theirs)[0][1], "time_ids": torch.tensor([[64.0, 64, 0, 0, 64, 64]])}
    theirs = pair.theirs.unet(x, t, encoded(pair.theirs)[0][0], added_cond_kwargs=facts, return_dict=False)[0]
    torch.testing.assert_close(pair.ours.predict(x, torch.tensor([t]), ours), theirs, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_the_vae(pair: Pair) -> None:
    theirs, scale = pair.theirs.vae, pair.theirs.vae.config.scaling_factor
    picture = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(3)) * 2 - 1
    latent = torch.randn(1, 4, 4, 6, generator=torch.Generator().manual_seed(4))
    encoded = theirs.encode(picture).latent_dist.mode() * scale
    torch.testing.assert_close(pair.ours.encode(picture), encoded, atol=1e-5, rtol=1e-5)
    decoded = theirs.decode(latent / scale, return_dict=False)[0]
    torch.testing.assert_close(pair.ours.decode(latent), decoded, atol=1e-5, rtol=1e-5)


def trajectory(model: LoadedModel, sampler: str, *, eta: float = 0.0) -> list[Tensor]:
    """Return the latents after each step of one of our samplers."""
    prompt, negative = told(model, PROMPT, NEGATIVE)
    passed = list[Tensor]()
    final = sample(
        Run(
            denoise=GuidedDenoiser(
                Network(predict=model.predict, prediction=model.prediction, noise=model.noise),
                Told(prompts=[[WeightedPrompt(weight=1.0, timeline=prompt)]], negatives=[negative], stack=stack),
                GuidanceOptions(cfg_scale=CFG_SCALE),
            ),
            plan=SamplingPlan(sampler=sampler, scheduler="Uniform", steps=STEPS, timesteps=TimestepOptions(eta=eta)),
            levels=model.noise,
            noise=ImageNoise([SEED], (4, 8, 8), CPU, "CPU"),
            on_step=lambda state: passed.append(state.x),
            token=CancelToken(),
        )
    )
    return [*passed[1:], final]


def trajectory_of_diffusers(pipeline: PipelineClass, scheduler: Any, *, eta: float = 0.0) -> list[Tensor]:
    """Return the latents after each step of diffusers' pipeline; its one generator draws what a picture's does here."""
    passed = list[Tensor]()

    def remember(_pipe: object, _step: int, _t: Tensor, given: dict[str, Tensor]) -> dict[str, Tensor]:
        passed.append(given["latents"])
        return given

    pipeline.scheduler = scheduler
    pipeline(
        PROMPT,
        negative_prompt=NEGATIVE,
        guidance_scale=CFG_SCALE,
        num_inference_steps=STEPS,
        height=64,
        width=64,
        eta=eta,
        generator=torch.Generator().manual_seed(SEED),
        output_type="latent",
        callback_on_step_end=remember,
    )
    return passed


def assert_same(ours: list[Tensor], theirs: list[Tensor]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_eulers_trajectory(pair: Pair) -> None:
    """The uniform schedule is diffusers' "linspace": from the highest timestep to the lowest, and then to no noise."""
    scheduler = EulerDiscreteScheduler(**pair.schedule, timestep_spacing="linspace")
    assert_same(trajectory(pair.ours, "Euler"), trajectory_of_diffusers(pair.theirs, scheduler))


@torch.inference_mode()
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_ddims_trajectory(pair: Pair, eta: float) -> None:
    """DDIM as A1111 has it visits every (1000 / steps)th timestep from 1 on, which diffusers calls "leading" with an
    offset of 1, and ends at timestep 1. Diffusers goes one step further, to no noise, where `set_alpha_to_one` would
    matter; that step is left out. Neither clips the denoised latents.
    """
    scheduler = DDIMScheduler(
        **pair.schedule, timestep_spacing="leading", steps_offset=1, set_alpha_to_one=False, clip_sample=False
    )
    theirs = trajectory_of_diffusers(pair.theirs, scheduler, eta=eta)
    assert len(theirs) == STEPS
    assert_same(trajectory(pair.ours, "DDIM", eta=eta), theirs[:-1])
