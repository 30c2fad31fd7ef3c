"""Hires. fix: a second pass over the enlarged latents or pictures of the first."""

from collections.abc import Sequence

import torch.nn.functional as F  # noqa: N812  # its usual name
from PIL import Image
from torch import Tensor

from modules.core.errors import InvalidRequest
from modules.core.parameters import MAX_HIRES_SIDE, HiresFix, Picture, Txt2Img
from modules.core.upscalers import LATENT_MODES
from modules.imaging.hires_size import HiresSize, hires_size, old_hires_size
from modules.imaging.normalise import flatten
from modules.imaging.resize import ResizeMode, resize_image
from modules.imaging.upscale import BUILT_IN_UPSCALERS
from modules.library.checkpoints import CheckpointFile
from modules.pipeline.batches import Batch
from modules.pipeline.decode import decode_picture
from modules.pipeline.describe import Described
from modules.pipeline.generation import Making
from modules.pipeline.image_conditioning import edited_pictures, masked_pictures, nothing_to_keep
from modules.pipeline.output import save_unfinished, saves
from modules.pipeline.passes import Pass, model_calls, run_pass
from modules.pipeline.pictures import encode_pictures, open_picture, to_tensor
from modules.pipeline.prompts import Calls
from modules.pipeline.watch import StepWatch
from modules.sampling.loop import Beginning

_INTERPOLATIONS: dict[str, tuple[str, bool]] = {
    "Latent": ("bilinear", False),
    "Latent (antialiased)": ("bilinear", True),
    "Latent (bicubic)": ("bicubic", False),
    "Latent (bicubic antialiased)": ("bicubic", True),
    "Latent (nearest)": ("nearest", False),
    "Latent (nearest-exact)": ("nearest-exact", False),
}
"""Mode and antialiasing of `torch.nn.functional.interpolate`."""


class SecondPass:
    """What the second passes of a request's batches share.

    Attributes:
        checkpoint: another one than the first pass', None for the same.
        steps: sampling steps.
        asked_size: that the person asked to resize to, px; both 0 for a factor.
    """

    def __init__(self, making: Making, request: Txt2Img, hires: HiresFix) -> None:
        """Work out the sizes and find the checkpoint.

        Raises:
            InvalidRequest: the sizes are impossible.
            UnknownName: there is no such checkpoint.
        """
        self._making = making
        self._request = request
        self._hires = hires
        self._size = _size(making, request, hires)
        old = making.settings.use_old_hires_fix_width_height
        self.asked_size = (request.width, request.height) if old else (hires.width, hires.height)
        self.steps = hires.steps or request.steps
        self.checkpoint: CheckpointFile | None = None
        if hires.checkpoint:
            self.checkpoint = making.context.find(hires.checkpoint)

    @property
    def first_size(self) -> tuple[int, int]:
        """Width and height of the first pass, px."""
        return self._size.first_width, self._size.first_height

    @property
    def final_size(self) -> tuple[int, int]:
        """Width and height of the finished pictures, px."""
        return self._size.final_width, self._size.final_height

    def run(self, latents: Tensor, batch: Batch, watch: StepWatch) -> Tensor:
        """Return the finished latents that come of those of the first pass [B,C,h,w]."""
        watch.next_pass(self._request.steps)
        upscaled = self._size.upscaled_height, self._size.upscaled_width
        if self._hires.upscaler in LATENT_MODES:
            if self._keeps_first_pass:
                self._decoded(latents, batch)
            mode, antialias = _INTERPOLATIONS[self._hires.upscaler]
            cells = [side // self._making.loaded.model.latent_format.downscale for side in upscaled]
            return self._pass(F.interpolate(latents, size=cells, mode=mode, antialias=antialias), None, batch, watch)
        return self._pass_over(self._decoded(latents, batch), batch, watch)

    def run_on_picture(self, picture: Picture, batch: Batch, watch: StepWatch) -> Tensor:
        """Return the finished latents that come of a picture which stands for the first pass."""
        watch.next_pass(self._request.steps)
        image = flatten(open_picture(picture, "The first-pass picture"), "#ffffff")
        if self._hires.upscaler not in LATENT_MODES:
            return self._pass_over([image] * len(batch.seeds), batch, watch)
        fitted = resize_image(image, *self.first_size, ResizeMode.JUST_RESIZE)
        context, model = self._making.context, self._making.loaded.model
        latents = encode_pictures(context, model, to_tensor([fitted], model))
        return self.run(latents.expand(len(batch.seeds), -1, -1, -1), batch, watch)

    def _decoded(self, latents: Tensor, batch: Batch) -> list[Image.Image]:
        """Decode the first pass, and save it if the settings say so."""
        making, context = self._making, self._making.context
        pictures: list[Image.Image] = []
        for number in range(len(latents)):
            context.token.check_interrupted()
            pictures.append(decode_picture(context, making.decoded_by, latents[number : number + 1], context.token))
            if self._keeps_first_pass:
                text = making.infotext(batch, number, Described(size=self.first_size))
                facts = making.file_facts(batch, number, pictures[-1])
                save_unfinished(making.context, self._request, facts, text, stage="before-highres-fix")
        return pictures

    @property
    def _keeps_first_pass(self) -> bool:
        making = self._making
        return making.settings.save_images_before_highres_fix and saves(making.context, self._request)

    def _pass_over(self, pictures: Sequence[Image.Image], batch: Batch, watch: StepWatch) -> Tensor:
        """Enlarge pictures, encode them and run the pass."""
        model, upscaler = self._making.loaded.model, BUILT_IN_UPSCALERS[self._hires.upscaler]
        size = self._size.upscaled_width, self._size.upscaled_height
        large = [resize_image(picture, *size, ResizeMode.JUST_RESIZE, upscaler) for picture in pictures]
        shown = to_tensor(large, model)
        return self._pass(encode_pictures(self._making.context, model, shown), shown, batch, watch)

    def _pass(self, latents: Tensor, shown: Tensor | None, batch: Batch, watch: StepWatch) -> Tensor:
        making, request, hires = self._making, self._request, self._hires
        loaded = making.context.load(making.context, hires.checkpoint) if hires.checkpoint else making.loaded
        rows, columns = self._size.window
        sampler = hires.sampler or request.sampler
        width, height = self.final_size
        this = Pass(
            pairs=making.hires_pairs(batch),
            read_with=making.first_pairs(batch)[0].positive if making.settings.hires_fix_use_firstpass_conds else None,
            calls=Calls(first=model_calls(request.sampler, request.steps), hires=model_calls(sampler, self.steps)),
            width=width,
            height=height,
            sampler=sampler,
            scheduler=hires.scheduler or request.scheduler,
            steps=self.steps,
            cfg_scale=request.cfg_scale if hires.cfg_scale is None else hires.cfg_scale,
            refines=making.settings.hires_fix_refiner_pass != "first pass",  # noqa: S105 # no password
            beginning=Beginning(
                latent=latents[:, :, rows, columns],
                strength=hires.denoising_strength,
                exact=True,
                extra_noise=making.settings.img2img_extra_noise,
            ),
            concat=self._concat(shown),
        )
        return run_pass(making.context, loaded, request, batch, this, watch)

    def _concat(self, shown: Tensor | None) -> Tensor | None:
        """Return what a model with extra channels is shown, cut to the window."""
        context, model, (rows, columns) = self._making.context, self._making.loaded.model, self._size.window
        if model.extra_channels is None:
            return None
        if shown is None:
            return nothing_to_keep(context, model, *self.final_size)
        if model.extra_channels == "picture":
            return edited_pictures(context, model, shown)[:, :, rows, columns]
        weight = self._making.settings.inpainting_mask_weight
        return masked_pictures(context, model, shown, None, weight)[:, :, rows, columns]


def _size(making: Making, request: Txt2Img, hires: HiresFix) -> HiresSize:
    if making.settings.use_old_hires_fix_width_height:
        return old_hires_size(request.width, request.height)
    size = hires_size(
        request.width, request.height, scale=hires.scale, resize_width=hires.width, resize_height=hires.height
    )
    if max(size.upscaled_width, size.upscaled_height) > MAX_HIRES_SIDE:
        raise InvalidRequest(
            f"Hires. fix would make a picture of {size.upscaled_width}×{size.upscaled_height} px; the longest side is "
            f"{MAX_HIRES_SIDE} px. Choose a smaller size or factor."
        )
    return size
