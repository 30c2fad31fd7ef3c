"""Everything that happens to the pictures of img2img before they become latents."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from modules.core.errors import InvalidRequest
from modules.imaging.crop_region import Box, crop_region, expand_crop_region
from modules.imaging.mask import blur_mask, latent_mask, mask_from_picture, overlay_mask
from modules.imaging.masked_fill import masked_fill
from modules.imaging.normalise import flatten
from modules.imaging.overlay import cut_out
from modules.imaging.resize import ResizeMode, resize_image
from modules.imaging.upscale import Upscaler

LATENT = 8  # px per latent
EMPTY_MASK = "Nothing is masked, so “Only masked” could not be done: the whole picture was changed, as in img2img."


class MaskedContent(IntEnum):
    """What stands under the mask when sampling begins; numbered as A1111's `inpainting_fill`."""

    FILL = 0
    ORIGINAL = 1
    LATENT_NOISE = 2
    LATENT_NOTHING = 3


@dataclass(frozen=True, kw_only=True)
class Img2ImgOptions:
    """How init images are brought to the work size.

    Attributes:
        width: px at which is sampled, a multiple of 8.
        height: px, likewise.
        resize_mode: what to do with another shape.
        background: colour behind transparent init images.
        upscaler: enlarges pictures that have to grow; None for Lanczos.
    """

    width: int
    height: int
    resize_mode: ResizeMode = ResizeMode.JUST_RESIZE
    background: str = "#ffffff"
    upscaler: Upscaler | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height


@dataclass(frozen=True, kw_only=True)
class MaskOptions:
    """What is repainted.

    Attributes:
        image: picture of the init images' size; see `mask_from_picture`.
        invert: repaint what is not masked.
        blur_x: standard deviation of the mask's blur across, px.
        blur_y: standard deviation of the mask's blur down, px.
        rounded: each latent is either kept or repainted; soft inpainting needs False.
        content: what stands under the mask in the beginning.
        only_masked: work on the region around the mask alone, at the full work size.
        padding: px around that region, at least 0.
    """

    image: Image.Image
    invert: bool = False
    blur_x: float = 4
    blur_y: float = 4
    rounded: bool = True
    content: MaskedContent = MaskedContent.ORIGINAL
    only_masked: bool = False
    padding: int = 32


@dataclass(frozen=True, kw_only=True)
class Inpainting:
    """What sampling and pasting back need to know about the mask.

    Attributes:
        mask: mode L at the work size, white is repainted; what inpainting checkpoints are conditioned on.
        latent_mask: [height/8, width/8], 0..1; 1 is repainted.
        overlay_mask: mode L at the finished pictures' size; what the overlays were cut out with.
        originals: the init images, RGB, at the finished pictures' size.
        overlays: one per init image, RGBA; laid over the finished picture by `paste_back`.
        region: the part of the originals that is worked on; None for all.
    """

    mask: Image.Image
    latent_mask: NDArray[np.float32]
    overlay_mask: Image.Image
    originals: tuple[Image.Image, ...]
    overlays: tuple[Image.Image, ...]
    region: Box | None


@dataclass(frozen=True, kw_only=True)
class Img2ImgPictures:
    """The pictures that img2img begins with.

    Attributes:
        pictures: RGB at the work size (with latent upscale at their own), one per init image: what the VAE encodes, and
            what colour correction takes the colours from.
        inpainting: None if nothing is masked.
        note: a sentence for the person who asked, if something could not be done as asked; else empty.
    """

    pictures: tuple[Image.Image, ...]
    inpainting: Inpainting | None = None
    note: str = ""

    @property
    def vae_input(self) -> NDArray[np.float32]:
        """`pictures` as [n, 3, height, width], 0..1."""
        stacked = np.stack([np.asarray(picture) for picture in self.pictures])
        return np.moveaxis(stacked.astype(np.float32) / np.float32(255), -1, 1)


def prepare_img2img(
    images: Sequence[Image.Image], options: Img2ImgOptions, mask: MaskOptions | None = None
) -> Img2ImgPictures:
    """Return what is encoded, masked and laid back over the result.

    Args:
        images: one or more init images, any mode; several form a batch. They have one size where a mask or a latent
            upscale ties them together.
        options: how they are brought to the work size.
        mask: None for plain img2img.

    Raises:
        InvalidRequest: there is no init image, sizes differ that must not, or a value is out of range.
    """
    if not images:
        raise InvalidRequest("img2img needs a picture to begin with: give one.")
    originals = [flatten(image, options.background) for image in images]
    if mask is not None or options.resize_mode is ResizeMode.LATENT_UPSCALE:
        _check_sizes(originals, options)
    if mask is None:
        return _without_mask(originals, options)
    prepared = _prepare_mask(mask, originals[0].size)
    if not mask.only_masked:
        return _whole_picture(originals, prepared, options, mask)
    region = crop_region(prepared, mask.padding)
    if region is None:
        return _without_mask(originals, options, note=EMPTY_MASK)
    region = expand_crop_region(region, options.size, prepared.size)
    return _only_masked(originals, prepared, region, options, mask)


def _check_sizes(images: Sequence[Image.Image], options: Img2ImgOptions) -> None:
    sizes = {image.size for image in images}
    if len(sizes) > 1:
        named = ", ".join(f"{width}×{height}" for width, height in sorted(sizes))
        raise InvalidRequest(f"The init images of one batch have different sizes ({named} px): give them one size.")
    width, height = images[0].size
    if options.resize_mode is ResizeMode.LATENT_UPSCALE and min(width, height) < LATENT:
        raise InvalidRequest(
            f"A picture of {width}×{height} px has no latents to resize: choose the resize mode “Just resize”."
        )


def _prepare_mask(options: MaskOptions, size: tuple[int, int]) -> Image.Image:
    mask = mask_from_picture(options.image, rounded=options.rounded)
    if mask.size != size:
        raise InvalidRequest(
            f"The mask has {mask.width}×{mask.height} px, the picture {size[0]}×{size[1]} px: "
            "give a mask of the picture's size."
        )
    if options.invert:
        mask = ImageChops.invert(mask)
    return blur_mask(mask, options.blur_x, options.blur_y)


def _without_mask(originals: Sequence[Image.Image], options: Img2ImgOptions, note: str = "") -> Img2ImgPictures:
    if options.resize_mode is not ResizeMode.LATENT_UPSCALE:
        originals = [_resized(image, options) for image in originals]
    return Img2ImgPictures(pictures=tuple(originals), note=note)


def _whole_picture(
    originals: Sequence[Image.Image], mask: Image.Image, options: Img2ImgOptions, mask_options: MaskOptions
) -> Img2ImgPictures:
    """The overlay and the latents' mask have the work size; only a latent upscale encodes another one."""
    resized = [_resized(image, options) for image in originals]
    work_mask = _resized(mask, options)
    if options.resize_mode is ResizeMode.LATENT_UPSCALE:
        work = [_content(image, mask, mask_options) for image in originals]
    else:
        work = [_content(image, work_mask, mask_options) for image in resized]
    return Img2ImgPictures(
        pictures=tuple(work),
        inpainting=_inpainting(work_mask, overlay_mask(work_mask), resized, None, mask_options),
    )


def _only_masked(
    originals: Sequence[Image.Image],
    mask: Image.Image,
    region: Box,
    options: Img2ImgOptions,
    mask_options: MaskOptions,
) -> Img2ImgPictures:
    def cropped(image: Image.Image) -> Image.Image:
        part = image.crop(region)
        return resize_image(part, *options.size, ResizeMode.RESIZE_AND_FILL, options.upscaler)

    work_mask = cropped(mask)
    work = [_content(cropped(image), work_mask, mask_options) for image in originals]
    return Img2ImgPictures(
        pictures=tuple(work),
        inpainting=_inpainting(work_mask, mask, originals, region, mask_options),
    )


def _inpainting(
    work_mask: Image.Image,
    over: Image.Image,
    originals: Sequence[Image.Image],
    region: Box | None,
    options: MaskOptions,
) -> Inpainting:
    width, height = work_mask.width // LATENT, work_mask.height // LATENT
    return Inpainting(
        mask=work_mask,
        latent_mask=latent_mask(work_mask, width, height, rounded=options.rounded),
        overlay_mask=over,
        originals=tuple(originals),
        overlays=tuple(cut_out(original, over) for original in originals),
        region=region,
    )


def _resized(image: Image.Image, options: Img2ImgOptions) -> Image.Image:
    return resize_image(image, *options.size, options.resize_mode, options.upscaler)


def _content(image: Image.Image, mask: Image.Image, options: MaskOptions) -> Image.Image:
    """Return what is encoded. Latent noise and latent nothing replace the fill later; soft edges keep a share of it."""
    return image if options.content is MaskedContent.ORIGINAL else masked_fill(image, mask)
