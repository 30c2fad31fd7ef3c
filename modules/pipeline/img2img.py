"""img2img and inpainting: pictures → latents with noise → latents → pictures."""

from collections.abc import Sequence
from typing import cast

import torch
from PIL import Image
from torch import Tensor

from modules.core.parameters import Img2Img, Inpaint
from modules.core.settings import Settings
from modules.families.base import LoadedModel
from modules.imaging.colour_correction import correct_colours
from modules.imaging.inpaint import (
    Img2ImgOptions,
    Img2ImgPictures,
    Inpainting,
    MaskedContent,
    MaskOptions,
    prepare_img2img,
)
from modules.imaging.metadata import read_parameters
from modules.imaging.overlay import masked_part, paste_back
from modules.imaging.resize import ResizeMode
from modules.imaging.soft_inpainting import SoftOverlay, soft_overlays
from modules.imaging.upscale import BUILT_IN_UPSCALERS, Upscaler
from modules.pipeline.batches import Batch, batches
from modules.pipeline.context import Loaded, RunContext
from modules.pipeline.describe import Described
from modules.pipeline.generation import Finished, Making, run_batches
from modules.pipeline.image_conditioning import edited_pictures, masked_pictures
from modules.pipeline.limits import check_memory
from modules.pipeline.output import Companion, save_init_picture
from modules.pipeline.passes import Pass, model_calls, run_pass
from modules.pipeline.pictures import encode_pictures, open_picture, to_tensor
from modules.pipeline.prompts import Calls, merged_prompts
from modules.pipeline.refiner import find_refiner
from modules.pipeline.watch import StepWatch
from modules.sampling.inpainting import HardBlend, LatentBlend, SoftBlend
from modules.sampling.loop import Beginning
from modules.sampling.noise import ImageNoise

RESIZE_MODES = {
    "just resize": ResizeMode.JUST_RESIZE,
    "crop and resize": ResizeMode.CROP_AND_RESIZE,
    "resize and fill": ResizeMode.RESIZE_AND_FILL,
    "latent upscale": ResizeMode.LATENT_UPSCALE,
}
CONTENTS = {
    "fill": MaskedContent.FILL,
    "original": MaskedContent.ORIGINAL,
    "latent noise": MaskedContent.LATENT_NOISE,
    "latent nothing": MaskedContent.LATENT_NOTHING,
}
DEFAULT_IMAGE_CFG_SCALE = 1.5


def run_img2img(context: RunContext, loaded: Loaded, request: Img2Img) -> None:
    """Make all pictures of `request`; each goes to `context.images` as soon as it is finished.

    Raises:
        Interrupted: the person stopped the job.
        InvalidRequest: a picture cannot be read, or pictures, mask and sizes do not go together.
        OutOfMemoryError: the size is more than the memory can hold.
        OutputError: a picture cannot be written.
        UnknownName: there is no such refiner.
    """
    making = Making(context=context, loaded=loaded, request=request, prompts=merged_prompts(context, request))
    check_memory(context, loaded.model, request.width, request.height, request.batch_size)
    run_batches(making, _FromPictures(making, request))


class _FromPictures:
    """A `Method`."""

    def __init__(self, making: Making, request: Img2Img) -> None:
        """Read, fit and encode the pictures."""
        self._making = making
        self._request = request
        self._refiner = find_refiner(making.context, request)
        originals = _opened(request)
        self._pictures = _prepared(making, request, originals)
        self._init_hashes: list[str | None] = [None]
        if making.settings.save_init_img:
            self._init_hashes = [
                save_init_picture(making.context, original, read_parameters(picture.data))
                for original, picture in zip(originals, request.images, strict=True)
            ]
        self._latents, self._concat = self._encoded(making.loaded.model)
        self._soft: tuple[Tensor, tuple[SoftOverlay, ...]] | None = None
        if self._pictures.note:
            making.context.note(self._pictures.note)

    @property
    def steps(self) -> int:
        """See `Method`."""
        return self._request.steps

    def sample(self, batch: Batch, watch: StepWatch) -> Tensor:
        """See `Method`."""
        making, request = self._making, self._request
        image_scale = request.image_cfg_scale
        this = Pass(
            pairs=making.first_pairs(batch),
            calls=Calls(first=model_calls(request.sampler, request.steps)),
            width=request.width,
            height=request.height,
            sampler=request.sampler,
            scheduler=request.scheduler,
            steps=request.steps,
            cfg_scale=request.cfg_scale,
            image_cfg_scale=DEFAULT_IMAGE_CFG_SCALE if image_scale is None else image_scale,
            refines=True,
            beginning=self._beginning(),
            blend=self._blend(),
            concat=self._concat,
        )
        return run_pass(making.context, making.loaded, request, batch, this, watch)

    def finish(self, picture: Image.Image, number: int, latents: Tensor) -> Finished:
        """See `Method`."""
        settings, inpainting = self._making.settings, self._pictures.inpainting
        uncorrected, init_hash = None, self._init_hashes[number % len(self._init_hashes)]
        if settings.img2img_color_correction:
            uncorrected = picture if settings.save_images_before_color_correction else None
            picture = correct_colours(picture, self._pictures.pictures[number % len(self._pictures.pictures)])
        if inpainting is None:
            return Finished(picture=picture, uncorrected=uncorrected, init_image_hash=init_hash)
        mask, overlay = inpainting.overlay_mask, inpainting.overlays[number % len(inpainting.overlays)]
        if soft := self._soft_overlay(inpainting, number, latents):
            mask, overlay = soft.mask, soft.overlay
        over = overlay if settings.overlay_inpaint else None
        pasted = paste_back(picture, over, inpainting.region, self._upscaler)
        if uncorrected is not None:
            uncorrected = paste_back(uncorrected, over, inpainting.region, self._upscaler).picture
        return Finished(
            picture=pasted.picture,
            uncorrected=uncorrected,
            companions=_companions(settings, pasted.repainted, mask),
            init_image_hash=init_hash,
        )

    def describe(self) -> Described:
        """See `Method`."""
        return Described(size=(self._request.width, self._request.height), refiner=self._refiner)

    @property
    def _upscaler(self) -> Upscaler | None:
        return BUILT_IN_UPSCALERS.get(self._making.settings.upscaler_for_img2img or "None")

    def _encoded(self, model: LoadedModel) -> tuple[Tensor, Tensor | None]:
        """Return the latents to begin with [1 or B,C,h,w], and what models with extra channels are shown."""
        context, request, inpainting = self._making.context, self._request, self._pictures.inpainting
        shown = to_tensor(self._pictures.pictures, model)
        latents = encode_pictures(context, model, shown)
        cells = [side // model.latent_format.downscale for side in (request.height, request.width)]
        if list(latents.shape[-2:]) != cells:  # latent upscale
            latents = torch.nn.functional.interpolate(latents, size=cells, mode="bilinear")
        concat = None
        if model.extra_channels == "picture":
            concat = edited_pictures(context, model, shown)
        elif model.extra_channels == "mask":
            mask = None if inpainting is None else _mask_tensor(inpainting, request, model)
            concat = masked_pictures(context, model, shown, mask, self._making.settings.inpainting_mask_weight)
        if concat is not None and list(concat.shape[-2:]) != cells:
            concat = torch.nn.functional.interpolate(concat, size=cells, mode="bilinear")
        return self._with_content(latents, model), concat

    def _with_content(self, latents: Tensor, model: LoadedModel) -> Tensor:
        """Replace the masked part by noise or by nothing, if that is asked for."""
        inpaint, inpainting = self._request.inpaint, self._pictures.inpainting
        if inpaint is None or inpainting is None or inpaint.content not in ("latent noise", "latent nothing"):
            return latents
        repaint = _repaint(inpainting, model)
        kept = latents * (1 - repaint)
        if inpaint.content == "latent nothing":
            return kept
        first = next(batches(self._request))
        shape = cast("tuple[int, int, int]", tuple(latents.shape[1:]))
        noise = ImageNoise(first.seeds, shape, model.device, self._making.settings.randn_source).first()
        return kept + noise * repaint

    def _beginning(self) -> Beginning:
        settings, request = self._making.settings, self._request
        asked = request.initial_noise_multiplier
        return Beginning(
            latent=self._latents,
            strength=request.denoising_strength,
            exact=settings.img2img_fix_steps,
            noise_multiplier=settings.initial_noise_multiplier if asked is None else asked,
            extra_noise=settings.img2img_extra_noise,
        )

    def _blend(self) -> LatentBlend | None:
        inpaint, inpainting = self._request.inpaint, self._pictures.inpainting
        if inpaint is None or inpainting is None:
            return None
        repaint = _repaint(inpainting, self._making.loaded.model)
        if inpaint.soft is None:
            return HardBlend(original=self._latents, repaint=repaint)
        return SoftBlend(
            original=self._latents,
            repaint=repaint,
            schedule_bias=inpaint.soft.schedule_bias,
            preservation_strength=inpaint.soft.preservation_strength,
            contrast_boost=inpaint.soft.transition_contrast_boost,
        )

    def _soft_overlay(self, inpainting: Inpainting, number: int, latents: Tensor) -> SoftOverlay | None:
        """Return what is laid over a softly inpainted picture; worked out once per batch."""
        inpaint = self._request.inpaint
        if inpaint is None or inpaint.soft is None:
            return None
        if self._soft is None or self._soft[0] is not latents:
            before, after = (tensor.float().cpu().numpy() for tensor in (self._latents, latents))
            self._soft = latents, soft_overlays(inpaint.soft, inpainting, before, after)
        return self._soft[1][number]


def _opened(request: Img2Img) -> list[Image.Image]:
    return [
        open_picture(picture, f"Picture {number}" if len(request.images) > 1 else "The picture")
        for number, picture in enumerate(request.images, 1)
    ]


def _companions(settings: Settings, repainted: Image.Image, mask: Image.Image) -> tuple[Companion, ...]:
    """Return the masks that the settings ask for."""
    companions: list[Companion] = []
    if settings.return_mask or settings.save_mask:
        companions.append(Companion(picture=mask, name="mask", shown=settings.return_mask, saved=settings.save_mask))
    if settings.return_mask_composite or settings.save_mask_composite:
        part = masked_part(repainted, mask)
        shown, saved = settings.return_mask_composite, settings.save_mask_composite
        companions.append(Companion(picture=part, name="mask-composite", shown=shown, saved=saved))
    return tuple(companions)


def _prepared(making: Making, request: Img2Img, images: Sequence[Image.Image]) -> Img2ImgPictures:
    settings = making.settings
    options = Img2ImgOptions(
        width=request.width,
        height=request.height,
        resize_mode=RESIZE_MODES[request.resize_mode],
        background=settings.img2img_background_color,
        upscaler=BUILT_IN_UPSCALERS.get(settings.upscaler_for_img2img or "None"),
    )
    return prepare_img2img(images, options, _mask_options(request.inpaint))


def _mask_options(inpaint: Inpaint | None) -> MaskOptions | None:
    if inpaint is None:
        return None
    return MaskOptions(
        image=open_picture(inpaint.mask, "The mask"),
        invert=inpaint.invert,
        blur_x=inpaint.blur_x,
        blur_y=inpaint.blur_y,
        rounded=inpaint.round_mask and inpaint.soft is None,
        content=CONTENTS[inpaint.content],
        only_masked=inpaint.only_masked,
        padding=inpaint.padding,
    )


def _repaint(inpainting: Inpainting, model: LoadedModel) -> Tensor:
    """Return 1 where latents are made anew, 0 where they are kept [1,1,h,w]."""
    return torch.tensor(inpainting.latent_mask, device=model.device)[None, None]


def _mask_tensor(inpainting: Inpainting, request: Img2Img, model: LoadedModel) -> Tensor:
    """Return the mask as inpainting models see it [1,1,H,W]: 0 or 1, unless soft edges are asked for."""
    mask = to_tensor([inpainting.mask.convert("RGB")], model)[:, :1] / 2 + 0.5
    rounded = request.inpaint is not None and request.inpaint.round_mask and request.inpaint.soft is None
    return mask.round() if rounded else mask
