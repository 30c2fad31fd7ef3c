"""Encode, save and report finished pictures."""

import io
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from PIL import Image

from modules.core.parameters import Generation, Img2Img
from modules.core.results import GeneratedImage
from modules.core.settings import Settings
from modules.imaging.grid import grid_rows, image_grid
from modules.imaging.png import encode_png
from modules.imaging.save import save_grid, save_picture
from modules.pipeline.context import RunContext
from modules.pipeline.prompts import PromptPair

MAX_GRID_PIXELS = 200_000_000
"""A1111's limit (img_max_size_mp); larger files are hard to open, and Pillow takes them for an attack."""


def deliver(
    context: RunContext,
    request: Generation,
    picture: Image.Image,
    *,
    infotext: str,
    prompts: PromptPair,
    seed: int,
    subseed: int,
) -> None:
    """Encode a picture with its infotext, save it if asked and allowed, and report it.

    Raises:
        OutputError: it cannot be written; pictures finished before are kept.
    """
    settings = context.settings
    data = encode_png(picture, infotext if settings.enable_pnginfo else None)
    path = _saved(context, request, data, stem=str(seed)) if request.save_images and settings.samples_save else None
    context.finished(
        GeneratedImage(
            data=data,
            infotext=infotext,
            prompt=prompts.positive,
            negative_prompt=prompts.negative,
            seed=seed,
            subseed=subseed,
            width=picture.width,
            height=picture.height,
            path=path,
        )
    )


def deliver_mask(context: RunContext, mask: Image.Image) -> None:
    """Report what belongs to the picture that was delivered last: its mask, or what was inpainted."""
    last = context.images[-1]
    context.finished(
        replace(last, data=encode_png(mask, None), width=mask.width, height=mask.height, path=None, is_mask=True)
    )


def save_beside(context: RunContext, request: Generation, picture: Image.Image, infotext: str, *, stem: str) -> None:
    """Save a picture that is not shown: one that is not finished yet, or a mask.

    Raises:
        OutputError: it cannot be written.
    """
    if request.save_images:
        _saved(context, request, encode_png(picture, infotext if context.settings.enable_pnginfo else None), stem=stem)


def deliver_grid(context: RunContext, request: Generation) -> None:
    """Put the overview of all finished pictures before them, where the request and the settings want one.

    As in A1111 it carries the infotext of the first picture, and is shown only with the setting `return_grid`.
    """
    settings, images = context.settings, [image for image in context.images if not image.is_mask]
    wanted = request.make_grid and (settings.grid_save or settings.return_grid)
    if not wanted or not images or (settings.grid_only_if_multiple and len(images) < 2):
        return
    if sum(image.width * image.height for image in images) > MAX_GRID_PIXELS:
        context.note(f"No grid was made: {len(images)} pictures of this size are too many for one file.")
        return
    pictures = [Image.open(io.BytesIO(image.data)) for image in images]
    rows = grid_rows(
        len(pictures), request.batch_size, settings.n_rows, prevent_empty_spots=settings.grid_prevent_empty_spots
    )
    sheet = image_grid(pictures, rows)
    first = images[0]
    data = encode_png(sheet, first.infotext if settings.enable_pnginfo else None)
    path = None
    if settings.grid_save:
        folder = context.paths.output_folder(settings.outdir_grids or _grid_folder(settings, request))
        path = save_grid(data, folder, by_day=settings.grid_save_to_dirs, now=datetime.now().astimezone())
    if settings.return_grid:
        grid = replace(first, data=data, path=path, width=sheet.width, height=sheet.height, is_grid=True)
        context.images.insert(0, grid)


def _saved(context: RunContext, request: Generation, data: bytes, *, stem: str) -> Path:
    settings = context.settings
    return save_picture(
        data,
        context.paths.output_folder(settings.outdir_samples or _sample_folder(settings, request)),
        stem=stem,
        by_day=settings.save_to_dirs,
        now=datetime.now().astimezone(),
    )


def _sample_folder(settings: Settings, request: Generation) -> str:
    return settings.outdir_img2img_samples if isinstance(request, Img2Img) else settings.outdir_txt2img_samples


def _grid_folder(settings: Settings, request: Generation) -> str:
    return settings.outdir_img2img_grids if isinstance(request, Img2Img) else settings.outdir_txt2img_grids
