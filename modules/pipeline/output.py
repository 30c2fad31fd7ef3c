"""Encode, save and report finished pictures, and what belongs to them: masks, earlier stages, the grid."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from modules.core.parameters import Generation, Img2Img
from modules.core.results import GeneratedImage
from modules.core.settings import PictureFormatName, Settings
from modules.imaging.file_names import FileFacts
from modules.imaging.grid import grid_rows, image_grid
from modules.imaging.normalise import normalise
from modules.imaging.png import encode_png
from modules.imaging.save import save_beside, save_grid, save_once, save_picture, save_unnumbered
from modules.imaging.save_formats import CopyLimits, EncodedPicture, PictureFormat, encode_picture, jpeg_copy
from modules.pipeline.context import Loaded, RunContext
from modules.pipeline.file_naming import file_facts, grid_stem, stem, subfolder
from modules.pipeline.prompts import PromptPair

MEGAPIXEL = 1_000_000
TEXT_BESIDE = "The infotext is too long for a JPEG file. It lies beside the picture as a text file."
TEXT_LEFT_OUT = (
    "The infotext is too long for a JPEG file, so the picture does not carry it. Choose PNG or WebP as the file format "
    "in the settings to keep it."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """What goes with the picture that was delivered before it: its mask, or what was inpainted. Always a PNG file.

    Attributes:
        picture: L, RGB or RGBA.
        name: what stands at the end of its file's name.
        shown: it is one of the results.
        saved: it is saved where pictures are.
    """

    picture: Image.Image
    name: str
    shown: bool
    saved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A picture with its infotext, and the file they become."""

    picture: Image.Image
    infotext: str
    encoded: EncodedPicture


class Overview:
    """The grid of all pictures of a request, where the request and the settings want one."""

    def __init__(self, context: RunContext, request: Generation) -> None:
        settings = context.settings
        self._context = context
        self._request = request
        self._wanted = request.make_grid and (settings.grid_save or settings.return_grid)
        self._pictures: list[Image.Image] = []
        self._count = 0
        self._megapixels = 0.0

    def add(self, picture: Image.Image) -> None:
        """Take the next finished picture."""
        if not self._wanted:
            return
        self._count += 1
        self._megapixels += picture.width * picture.height / MEGAPIXEL
        if self._too_large:
            self._pictures.clear()
        else:
            self._pictures.append(picture)

    def deliver(self, loaded: Loaded) -> None:
        """Put the grid before the pictures. As in A1111 it has the first one's infotext, and is shown only if
        `return_grid` says so. The checkpoint that was `loaded` may be part of its name.

        Raises:
            OutputError: it cannot be written.
        """
        context, settings = self._context, self._context.settings
        if self._count < (2 if settings.grid_only_if_multiple else 1):
            return
        if self._too_large:
            context.note(
                f"No grid was made: {self._count} pictures have {self._megapixels:.3g} megapixels together, and the "
                f"setting img_max_size_mp allows {settings.img_max_size_mp:g}."
            )
            return
        first = context.images[0]
        file = _file(context, self._sheet(), first.infotext, settings.grid_format)
        path = None
        if settings.grid_save:
            facts = file_facts(
                context, self._request, loaded, picture=file.picture, number=None, seed=first.seed, prompt=first.prompt
            )
            folder = context.paths.output_folder(settings.outdir_grids or _grid_folder(settings, self._request))
            folder /= subfolder(facts, settings, wanted=settings.grid_save_to_dirs)
            path = save_grid(file.encoded.data, folder, stem=grid_stem(facts, settings), suffix=file.encoded.suffix)
        _complete(context, file, path)
        if settings.return_grid:
            context.images.insert(0, replace(_of_file(first, file), path=path, is_grid=True))

    @property
    def _too_large(self) -> bool:
        return self._megapixels > self._context.settings.img_max_size_mp

    def _sheet(self) -> Image.Image:
        settings, size = self._context.settings, self._request.batch_size
        spots = settings.grid_prevent_empty_spots
        rows = grid_rows(self._count, size, settings.n_rows, prevent_empty_spots=spots)
        return image_grid(self._pictures, rows)


def saves(context: RunContext, request: Generation) -> bool:
    """Whether pictures of a request are written to the disk."""
    return request.save_images and context.settings.samples_save


def deliver(
    context: RunContext,
    request: Generation,
    facts: FileFacts,
    *,
    infotext: str,
    prompts: PromptPair,
    seed: int,
    subseed: int,
) -> None:
    """Encode the picture of `facts` with its infotext, save it if asked and allowed, and report it.

    Raises:
        OutputError: it cannot be written. It is reported nevertheless, so that it can be seen and kept.
    """
    picture = facts.picture
    file = _file(context, picture, infotext, context.settings.samples_format)
    image = GeneratedImage(
        data=file.encoded.data,
        suffix=file.encoded.suffix,
        infotext=infotext,
        prompt=prompts.positive,
        negative_prompt=prompts.negative,
        seed=seed,
        subseed=subseed,
        width=picture.width,
        height=picture.height,
    )
    path = None
    try:
        if saves(context, request):
            path = _saved(context, request, file, facts)
    finally:
        context.finished(replace(image, path=path))
    _complete(context, file, path)


def deliver_companion(context: RunContext, request: Generation, facts: FileFacts, companion: Companion) -> None:
    """Encode, save and report what belongs to the picture that was delivered last, as far as that is wanted.

    Args:
        context: the job's.
        request: what was asked for.
        facts: of that picture.
        companion: what belongs to it.

    Raises:
        OutputError: it cannot be written. It is reported nevertheless.
    """
    saved = companion.saved and saves(context, request)
    if not saved and not companion.shown:
        return
    last = context.images[-1]
    file = _file(context, companion.picture, last.infotext, "png")
    path = None
    try:
        if saved:
            path = _saved(context, request, file, facts, what=companion.name)
    finally:
        if companion.shown:
            context.finished(replace(_of_file(last, file), path=path, is_mask=True))
    _complete(context, file, path)


def save_unfinished(context: RunContext, request: Generation, facts: FileFacts, infotext: str, *, stage: str) -> None:
    """Save the picture of `facts` as it is at an earlier stage, if pictures are saved. It is not shown.

    Args:
        context: the job's.
        request: what was asked for.
        facts: what it may be named after.
        infotext: what it carries.
        stage: what stands at the end of its file's name.

    Raises:
        OutputError: it cannot be written.
    """
    if saves(context, request):
        file = _file(context, facts.picture, infotext, context.settings.samples_format)
        _complete(context, file, _saved(context, request, file, facts, what=stage))


def save_init_picture(context: RunContext, picture: Image.Image, infotext: str | None) -> str:
    """Save a picture that img2img begins with, as a PNG file named by its pixels, so that each is kept once.

    Args:
        context: the job's.
        picture: as the client sent it, any mode.
        infotext: what its file says of it.

    Returns:
        MD5 of its pixels, RGB or RGBA, in 32 hex digits: A1111's "Init image hash".

    Raises:
        OutputError: it cannot be written.
    """
    settings, pixels = context.settings, normalise(picture)
    name = hashlib.md5(pixels.tobytes(), usedforsecurity=False).hexdigest()
    path = context.paths.output_folder(settings.outdir_init_images) / f"{name}.png"
    save_once(encode_png(pixels, infotext if settings.enable_pnginfo else None), path)
    return name


def _file(context: RunContext, picture: Image.Image, infotext: str, form: PictureFormatName) -> _File:
    settings = context.settings
    encoded = encode_picture(
        picture,
        infotext if settings.enable_pnginfo else None,
        PictureFormat(name=form, quality=settings.jpeg_quality, lossless=settings.webp_lossless),
    )
    return _File(picture=picture, infotext=infotext, encoded=encoded)


def _of_file(first: GeneratedImage, file: _File) -> GeneratedImage:
    """Return what is known of another picture, for this file."""
    width, height = file.picture.size
    return replace(first, data=file.encoded.data, suffix=file.encoded.suffix, width=width, height=height)


def _complete(context: RunContext, file: _File, path: Path | None) -> None:
    """Save beside a file what belongs to it. An infotext that its format cannot hold is never lost in silence.

    Raises:
        OutputError: it cannot be written.
    """
    settings, encoded = context.settings, file.encoded
    left_out = settings.enable_pnginfo and not encoded.carries_infotext
    if left_out:
        context.note(TEXT_BESIDE if path else TEXT_LEFT_OUT)
    if path is None:
        return
    if left_out or settings.save_txt:
        save_beside(f"{file.infotext}\n".encode("utf-8", "replace"), path, ".txt", replace=_replaces(settings))
    if settings.export_for_4chan:
        limits = CopyLimits(mebibytes=settings.img_downscale_threshold, side=settings.target_side_length)
        infotext = file.infotext if settings.enable_pnginfo else None
        if copy := jpeg_copy(file.picture, encoded, infotext, limits, quality=settings.jpeg_quality):
            save_beside(copy.data, path, copy.suffix, replace=_replaces(settings))


def _saved(context: RunContext, request: Generation, file: _File, facts: FileFacts, *, what: str = "") -> Path:
    """Save a file; `what` it is stands at the end of its name if it is not the picture itself."""
    settings, data, suffix = context.settings, file.encoded.data, file.encoded.suffix
    folder = context.paths.output_folder(settings.outdir_samples or _sample_folder(settings, request))
    folder /= subfolder(facts, settings, wanted=settings.save_to_dirs)
    name = stem(facts, settings)
    if what:
        name = f"{name}-{what}" if name else what
    if settings.save_images_add_number or not name:
        return save_picture(data, folder, stem=name, suffix=suffix)
    return save_unnumbered(data, folder, stem=name, replace=_replaces(settings), suffix=suffix)


def _replaces(settings: Settings) -> bool:
    """Whether a picture takes the place of one of the same name. With numbers there is never one."""
    return not settings.save_images_add_number and settings.save_images_replace_action == "Replace"


def _sample_folder(settings: Settings, request: Generation) -> str:
    return settings.outdir_img2img_samples if isinstance(request, Img2Img) else settings.outdir_txt2img_samples


def _grid_folder(settings: Settings, request: Generation) -> str:
    return settings.outdir_img2img_grids if isinstance(request, Img2Img) else settings.outdir_txt2img_grids
