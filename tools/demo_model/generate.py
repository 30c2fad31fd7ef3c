"""Many pictures of a checkpoint through the product's own code, in batches.

A loaded checkpoint may be changed before it is used, for instance given another VAE:
`replace(loaded, model=replace(loaded.model, vae=other))`.
"""

import argparse
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import torch
from PIL import Image
from tqdm import tqdm

from modules.core.cancellation import CancelToken
from modules.core.events import JobEvent
from modules.core.flags import Flags
from modules.core.job import Job
from modules.core.parameters import Txt2Img
from modules.core.paths import PROJECT_ROOT, resolve_paths
from modules.core.settings import Settings
from modules.hardware.attention import prepare_attention
from modules.hardware.device import choose_device
from modules.hardware.dtype import choose_precision
from modules.library.checkpoints import CheckpointFile
from modules.library.model_library import open_library
from modules.loading.build import load_checkpoint
from modules.pipeline.add_ons import AddOns
from modules.pipeline.batches import Batch
from modules.pipeline.context import Loaded, RunContext
from modules.pipeline.decode import decode_picture
from modules.pipeline.passes import Pass, model_calls, run_pass
from modules.pipeline.prompts import Calls, PromptPair
from modules.pipeline.text_cache import TextCache
from modules.pipeline.txt2img import run_txt2img
from modules.sampling.loop import StepState
from tools.demo_model.networks import CHECKPOINT

SETTINGS = Settings(
    samples_save=False,
    grid_save=False,
    return_grid=False,
    live_previews_enable=False,
    randn_source="CPU",  # the same noise on every machine
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One picture.

    Attributes:
        prompt: what it shows.
        negative_prompt: what it must not show.
        seed: of its noise.
    """

    prompt: str
    negative_prompt: str = ""
    seed: int = 0


def load(checkpoint: Path = CHECKPOINT) -> Loaded:
    """Load a checkpoint with the yaml beside it, where and in the number formats in which the product would.

    Raises:
        ModelFileError: the file is missing or no checkpoint.
    """
    flags = Flags(data_dir=PROJECT_ROOT)
    device = choose_device(flags)
    config = checkpoint.with_suffix(".yaml")
    file = CheckpointFile(
        path=checkpoint,
        name=checkpoint.name,
        model_name=checkpoint.stem,
        config=config if config.exists() else None,
    )
    model = load_checkpoint(checkpoint, config=file.config, device=device, precision=choose_precision(flags, device))
    prepare_attention(model.network, flags, device)
    return Loaded(file=file, model=model, texts=TextCache(model.text_encoder))


def make_pictures(loaded: Loaded, wishes: Sequence[Wish], manner: Txt2Img) -> list[Image.Image]:
    """Make one picture per wish; pictures of different prompts share a batch.

    Args:
        loaded: makes them.
        wishes: which pictures.
        manner: size, sampler, steps, CFG scale and batch size; prompts and seed are those of the wishes.
    """
    context, pictures = _context(manner, loaded), list[Image.Image]()
    with tqdm(total=len(wishes), desc="pictures", mininterval=5) as bar, torch.inference_mode():
        for start in range(0, len(wishes), manner.batch_size):
            batch = wishes[start : start + manner.batch_size]
            pictures += _make_batch(context, loaded, batch, manner)
            bar.update(len(batch))
    return pictures


def _make_batch(context: RunContext, loaded: Loaded, wishes: Sequence[Wish], manner: Txt2Img) -> list[Image.Image]:
    seeds = tuple(wish.seed for wish in wishes)
    this = Pass(
        pairs=[PromptPair(positive=wish.prompt, negative=wish.negative_prompt) for wish in wishes],
        calls=Calls(first=model_calls(manner.sampler, manner.steps)),
        width=manner.width,
        height=manner.height,
        sampler=manner.sampler,
        scheduler=manner.scheduler,
        steps=manner.steps,
        cfg_scale=manner.cfg_scale,
    )
    batch = Batch(index=0, first=0, seeds=seeds, subseeds=seeds)
    latents = run_pass(context, loaded, manner, batch, this, _unseen)
    return [
        decode_picture(context, loaded.model, latents[index : index + 1], context.token)
        for index in range(len(latents))
    ]


def _unseen(_state: StepState) -> None:
    """Nobody watches the steps."""


def make_series(loaded: Loaded, first: Wish, count: int, manner: Txt2Img) -> list[Image.Image]:
    """Make pictures of one prompt with the seeds `first.seed`, `first.seed` + 1, …, as one request to the pipeline.

    So all that the product understands in a prompt is understood.

    Args:
        loaded: what makes them.
        first: the prompts and the first seed.
        count: how many.
        manner: as for `make_pictures`.
    """
    size = min(count, manner.batch_size)
    request = manner.model_copy(
        update={
            "prompt": first.prompt,
            "negative_prompt": first.negative_prompt,
            "seed": first.seed,
            "batch_size": size,
            "batch_count": math.ceil(count / size),
        }
    )
    context = _context(request, loaded)
    with torch.inference_mode():
        run_txt2img(context, loaded, request)
    return [Image.open(io.BytesIO(image.data)).convert("RGB") for image in context.images[:count]]


def _context(request: Txt2Img, loaded: Loaded) -> RunContext:
    """Return what the pipeline needs for a request that names no other checkpoint."""
    return RunContext(
        job=Job(id="series", request=request, settings=SETTINGS, created=datetime.now(UTC)),
        paths=resolve_paths(Flags(data_dir=PROJECT_ROOT)),
        emit=_unheard,
        token=CancelToken(),
        load=lambda _context, _name: loaded,
        find=lambda _name: loaded.file,
        add_ons=_add_ons(),
    )


@cache
def _add_ons() -> AddOns:
    """Return the add-ons that lie in the project's folders."""
    return AddOns(open_library(resolve_paths(Flags(data_dir=PROJECT_ROOT))))


def _unheard(_event: JobEvent) -> None:
    """Nobody listens to the job."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `manner_of` reads, and `--checkpoint`."""
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT, metavar="FILE")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--cfg-scale", type=float, default=6.0)
    parser.add_argument("--sampler", default="DPM++ 2M")
    parser.add_argument("--size", type=int, default=128, help="width and height, px")
    parser.add_argument("--batch-size", type=int, default=20, help="pictures that are sampled together")


def manner_of(arguments: argparse.Namespace) -> Txt2Img:
    """Return how pictures are to be made, from the command line.

    Raises:
        ValidationError: a value is out of its range.
        UnknownName: no such sampler.
    """
    return Txt2Img(
        steps=arguments.steps,
        cfg_scale=arguments.cfg_scale,
        sampler=arguments.sampler,
        width=arguments.size,
        height=arguments.size,
        batch_size=arguments.batch_size,
    )
