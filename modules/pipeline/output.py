"""Encode, save and report finished pictures."""

import io
from dataclasses import replace
from datetime import datetime

from PIL import Image

from modules.core.parameters import Txt2Img
from modules.core.results import GeneratedImage
from modules.imaging.grid import grid_rows, image_grid
from modules.imaging.png import encode_png
from modules.imaging.save import save_grid, save_picture
from modules.pipeline.context import RunContext
from modules.pipeline.prompts import Prompts

MAX_GRID_PIXELS = 200_000_000
"""A1111's limit (img_max_size_mp); larger files are hard to open, and Pillow takes them for an attack."""


def deliver(
    context: RunContext,
    picture: Image.Image,
    *,
    infotext: str,
    prompts: Prompts,
    seed: int,
    subseed: int,
    save: bool,
) -> None:
    """Encode a picture with its infotext, save it if asked and allowed, and report it.

    Raises:
        OutputError: it cannot be written; pictures finished before are kept.
    """
    settings = context.job.settings
    data = encode_png(picture, infotext if settings.enable_pnginfo else None)
    path = None
    if save and settings.samples_save:
        folder = settings.outdir_samples or settings.outdir_txt2img_samples
        path = save_picture(
            data,
            context.paths.output_folder(folder),
            stem=str(seed),
            by_day=settings.save_to_dirs,
            now=datetime.now().astimezone(),
        )
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


def deliver_grid(context: RunContext, request: Txt2Img) -> None:
    """Put the overview of all finished pictures before them, where the request and the settings want one.

    As in A1111 it carries the infotext of the first picture, and is shown only with the setting `return_grid`.
    """
    settings, images = context.job.settings, context.images
    wanted = request.make_grid and (settings.grid_save or settings.return_grid)
    if not wanted or not images or (settings.grid_only_if_multiple and len(images) < 2):
        return
    if sum(image.width * image.height for image in images) > MAX_GRID_PIXELS:
        context.notes.append(f"No grid was made: {len(images)} pictures of this size are too many for one file.")
        return
    pictures = [Image.open(io.BytesIO(image.data)) for image in images]
    sheet = image_grid(pictures, grid_rows(len(pictures), request.batch_size, settings.n_rows))
    first = images[0]
    data = encode_png(sheet, first.infotext if settings.enable_pnginfo else None)
    path = None
    if settings.grid_save:
        folder = context.paths.output_folder(settings.outdir_grids or settings.outdir_txt2img_grids)
        path = save_grid(data, folder, by_day=settings.grid_save_to_dirs, now=datetime.now().astimezone())
    if settings.return_grid:
        grid = replace(first, data=data, path=path, width=sheet.width, height=sheet.height, is_grid=True)
        images.insert(0, grid)
