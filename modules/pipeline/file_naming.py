"""What the files of a job are called, as its settings say."""

from datetime import datetime
from pathlib import PurePath

from PIL import Image

from modules.core.parameters import Generation
from modules.core.settings import Settings
from modules.imaging.file_names import FileFacts, RequestFacts, fill_pattern, safe_folder, safe_name
from modules.imaging.save import GRID_NAME
from modules.pipeline.batches import seed_of
from modules.pipeline.context import Loaded, RunContext
from modules.pipeline.describe import denoising_strength
from modules.prompting.comments import strip_comments
from modules.prompting.extra_networks import parse_networks

DEFAULT_FOLDER = "[prompt_words]"
DEFAULT_STEM, DEFAULT_STEM_IN_FOLDERS = "[seed]-[prompt_spaces]", "[seed]"


def file_facts(
    context: RunContext,
    request: Generation,
    loaded: Loaded,
    *,
    picture: Image.Image,
    number: int | None,
    seed: int,
    prompt: str,
) -> FileFacts:
    """Return what a file may be named after.

    Args:
        context: the job's.
        request: what was asked for.
        loaded: the checkpoint.
        picture: what is saved.
        number: of the picture among all of the request, from 0; None for the grid of them.
        seed: of the picture, or of the grid's first one.
        prompt: likewise, as the infotext says it.
    """
    settings, own = context.settings, request.prompts[number or 0] if request.prompts else request.prompt
    own = strip_comments(own) if settings.enable_prompt_comments else own
    return FileFacts(
        picture=picture,
        now=datetime.now().astimezone(),
        started=context.job.created.astimezone(),
        seed=seed,
        prompt=parse_networks(prompt)[0],
        own_prompt=parse_networks(own)[0],
        model_name=loaded.file.model_name,
        model_hash=loaded.file.shorthash or "",
        vae_file=loaded.vae.name if loaded.vae else None,
        clip_skip=settings.CLIP_stop_at_last_layers,
        max_words=settings.directories_max_prompt_words,
        basename=GRID_NAME if number is None else "",
        request=_request_facts(request, number),
    )


def subfolder(facts: FileFacts, settings: Settings, *, wanted: bool) -> PurePath:
    """Return the folder within the output folder, "." if none is `wanted`."""
    if not wanted:
        return PurePath()
    return safe_folder(fill_pattern(settings.directories_filename_pattern or DEFAULT_FOLDER, facts))


def stem(facts: FileFacts, settings: Settings) -> str:
    """Return the name of a file without number and ending; empty for a picture that nobody seeded."""
    if facts.seed is None:
        return ""
    default = DEFAULT_STEM_IN_FOLDERS if settings.save_to_dirs else DEFAULT_STEM
    return safe_name(fill_pattern(settings.samples_filename_pattern or default, facts))


def grid_stem(facts: FileFacts, settings: Settings) -> str:
    """Return what follows the number in the name of a grid."""
    return stem(facts, settings) if settings.grid_extended_filename else ""


def _request_facts(request: Generation, number: int | None) -> RequestFacts:
    return RequestFacts(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        steps=request.steps,
        cfg_scale=request.cfg_scale,
        styles=request.styles,
        sampler=request.sampler,
        scheduler=request.scheduler,
        denoising_strength=denoising_strength(request),
        batch_size=request.batch_size,
        batch_count=request.batch_count,
        number=number,
        first_seed=seed_of(request, 0),
        last_seed=seed_of(request, request.batch_count * request.batch_size - 1),
    )
