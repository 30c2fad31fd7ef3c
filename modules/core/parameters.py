"""What can be asked for: frozen, validated requests. Nothing here is a tensor or a callable, so a request may be
pickled, stored and sent to another process.
"""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from modules.core.samplers import AUTOMATIC, SAMPLERS, find_sampler, find_scheduler
from modules.core.upscalers import LATENT_MODES, find_upscaler

MAX_PROMPT_CHARACTERS = 50_000
MAX_SIDE = 4096
MAX_HIRES_SIDE = 8192
MAX_PICTURE_BYTES = 200 * 2**20
MAX_STEPS = 1000
MAX_SEED = 2**63 - 1

Prompt = Annotated[str, Field(max_length=MAX_PROMPT_CHARACTERS)]
Seed = Annotated[int, Field(ge=-MAX_SEED, le=MAX_SEED)]
SamplerName = Annotated[str, AfterValidator(lambda name: find_sampler(name).name)]
SchedulerName = Annotated[str, AfterValidator(lambda name: find_scheduler(name).label)]


def _whole_latents(side: int) -> int:
    """The VAE works on blocks of 8×8 px; A1111 rounds down (63 becomes 56)."""
    return side // 8 * 8


Side = Annotated[
    int, Field(ge=8, le=MAX_SIDE, description="pixels, rounded down to a multiple of 8"), AfterValidator(_whole_latents)
]


class Request(BaseModel):
    """Base of every request: frozen, no unknown fields, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Picture(Request):
    """A picture as it lies in a file.

    Attributes:
        data: the whole file, of any format that Pillow reads.
    """

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    data: bytes = Field(repr=False, min_length=1, max_length=MAX_PICTURE_BYTES)


class Refiner(Request):
    """Another checkpoint that takes over before the picture is finished.

    Attributes:
        checkpoint: its name, as in the checkpoint list.
        switch_at: part of the model calls that are made before it takes over, 0..1.
    """

    checkpoint: str = Field(min_length=1)
    switch_at: float = Field(default=0.8, ge=0, le=1)


class Generation(Request):
    """What making pictures from noise and making them from pictures have in common. Defaults are those of A1111's tabs.

    Attributes:
        prompt: what the picture shows.
        negative_prompt: what it must not show.
        prompts: of each picture in place of `prompt`, as scripts that make many pictures need; empty for one prompt.
        negative_prompts: likewise.
        styles: names of rows of `styles.csv` that are merged into both prompts.
        sampler: label of a sampler; aliases are resolved here.
        scheduler: label of a schedule type; "Automatic" leaves it to the sampler.
        steps: sampling steps.
        cfg_scale: classifier-free guidance scale (arXiv:2207.12598); 1 turns guidance off.
        seed: of the first picture; the next ones count up. −1 is replaced by a random seed when the job is queued.
        subseed: variation seed, −1 is replaced likewise.
        subseed_strength: how much of the noise comes from the variation seed, 0..1. Above 0 all pictures have the same
            seed, and the variation seed counts up instead.
        seed_resize_from_width: px; with the height, the noise is that of a picture of this size, 0 for none.
        seed_resize_from_height: px.
        width: px.
        height: px.
        batch_count: how many batches are made one after the other (A1111's n_iter).
        batch_size: how many pictures are sampled together.
        eta: how much of each step is fresh noise, None for the setting's value.
        s_churn: noise added before each step (arXiv:2206.00364, algorithm 2), None for the setting's value.
        s_tmin: lowest noise level at which it is added, None for the setting's value.
        s_tmax: highest one, 0 for no limit, None for the setting's value.
        s_noise: standard deviation of added noise, None for the setting's value.
        s_min_uncond: below this noise level every second step leaves the negative prompt out, None for the setting's.
        tiling: the picture's opposite edges fit together, None for the setting's value.
        refiner: a checkpoint that finishes the picture.
        extra_networks: False leaves tags such as `<lora:name:1>` in the prompt without effect.
        save_images: False keeps the pictures off the disk whatever the setting `samples_save` says.
        make_grid: False makes no overview picture whatever the settings `grid_save` and `return_grid` say.
    """

    prompt: Prompt = ""
    negative_prompt: Prompt = ""
    prompts: tuple[Prompt, ...] = ()
    negative_prompts: tuple[Prompt, ...] = ()
    styles: tuple[str, ...] = ()
    sampler: SamplerName = SAMPLERS[0].name
    scheduler: SchedulerName = AUTOMATIC
    steps: int = Field(default=20, ge=1, le=MAX_STEPS)
    cfg_scale: float = Field(default=7.0, ge=0, le=100)
    seed: Seed = -1
    subseed: Seed = -1
    subseed_strength: float = Field(default=0.0, ge=0, le=1)
    seed_resize_from_width: int = Field(default=0, ge=0, le=MAX_SIDE)
    seed_resize_from_height: int = Field(default=0, ge=0, le=MAX_SIDE)
    width: Side = 512
    height: Side = 512
    batch_count: int = Field(default=1, ge=1, le=1000)
    batch_size: int = Field(default=1, ge=1, le=64)
    eta: float | None = Field(default=None, ge=0, le=1)
    s_churn: float | None = Field(default=None, ge=0, le=100)
    s_tmin: float | None = Field(default=None, ge=0)
    s_tmax: float | None = Field(default=None, ge=0)
    s_noise: float | None = Field(default=None, ge=0, le=2)
    s_min_uncond: float | None = Field(default=None, ge=0)
    tiling: bool | None = None
    refiner: Refiner | None = None
    extra_networks: bool = True
    save_images: bool = True
    make_grid: bool = True

    @model_validator(mode="after")
    def _as_many_prompts_as_pictures(self) -> Self:
        pictures = self.batch_count * self.batch_size
        for name, prompts in (("prompts", self.prompts), ("negative prompts", self.negative_prompts)):
            if len(prompts) not in (0, pictures):
                raise ValueError(f"there are {len(prompts)} {name} for {pictures} pictures; send one for each, or none")
        return self


class HiresFix(Request):
    """The second pass: the picture is enlarged, and some noise is added and taken away again at the new size.

    Attributes:
        scale: factor by which both sides grow; not used where a size is given.
        width: px to resize to; 0 follows the height. With both given what is too much is cut off.
        height: px likewise.
        upscaler: a latent mode ("Latent (bicubic)") or an upscaler of pictures.
        steps: of the second pass, 0 for as many as the first.
        denoising_strength: how much of the enlarged picture is made anew, 0..1.
        sampler: None for the first pass' sampler.
        scheduler: None for the first pass' schedule type.
        prompt: empty for the first pass' prompt.
        negative_prompt: empty for the first pass' negative prompt.
        checkpoint: name of another checkpoint, None for the same.
        cfg_scale: None for the first pass' scale.
    """

    scale: float = Field(default=2.0, ge=0, le=16)
    width: int = Field(default=0, ge=0, le=MAX_HIRES_SIDE)
    height: int = Field(default=0, ge=0, le=MAX_HIRES_SIDE)
    upscaler: Annotated[str, AfterValidator(lambda name: find_upscaler(name, latent=True))] = LATENT_MODES[0]
    steps: int = Field(default=0, ge=0, le=MAX_STEPS)
    denoising_strength: float = Field(default=0.7, ge=0, le=1)
    sampler: SamplerName | None = None
    scheduler: SchedulerName | None = None
    prompt: Prompt = ""
    negative_prompt: Prompt = ""
    checkpoint: str | None = None
    cfg_scale: float | None = Field(default=None, ge=0, le=100)

    @model_validator(mode="after")
    def _has_a_size(self) -> Self:
        if self.scale == 0 and not self.width and not self.height:
            raise ValueError("Hires. fix needs a scale above 0, or a width or height to resize to")
        return self


class Txt2Img(Generation):
    """Make pictures from a prompt.

    Attributes:
        hires: the second pass, None for a single one.
        first_pass: a finished picture that takes the place of the first pass.
    """

    kind: Literal["txt2img"] = "txt2img"
    hires: HiresFix | None = None
    first_pass: Picture | None = None

    @model_validator(mode="after")
    def _first_pass_has_a_second(self) -> Self:
        if self.first_pass is not None and self.hires is None:
            raise ValueError("a first-pass picture is of use only with Hires. fix")
        return self


class SoftInpainting(Request):
    """Blend what is painted anew into what was there by how much they differ, not at the mask's edge alone.

    Names and ranges of A1111's built-in extension.

    Attributes:
        schedule_bias: shifts when the original's content is kept: above 1 later steps, below 1 earlier ones.
        preservation_strength: how strongly partly masked content is kept.
        transition_contrast_boost: how much the contrast of the blend is kept where both mix.
        mask_influence: how much the mask itself counts in the final blend.
        difference_threshold: how much a latent must change before it shows.
        difference_contrast: how sharp the change from original to new is.
    """

    schedule_bias: float = Field(default=1.0, ge=0, le=8)
    preservation_strength: float = Field(default=0.5, ge=0, le=8)
    transition_contrast_boost: float = Field(default=4.0, ge=1, le=32)
    mask_influence: float = Field(default=0.0, ge=0, le=1)
    difference_threshold: float = Field(default=0.5, ge=0, le=8)
    difference_contrast: float = Field(default=2.0, ge=0, le=8)


class Inpaint(Request):
    """Which part of a picture is made anew.

    Attributes:
        mask: a picture of the first picture's size; white is made anew. Of a picture with transparency
            only its alpha counts.
        blur_x: standard deviation of the mask's horizontal blur, px.
        blur_y: of the vertical blur.
        round_mask: False keeps the mask's grey levels in the latents.
        invert: black is made anew instead.
        content: what stands in the masked part before sampling.
        only_masked: the masked part alone is cut out, enlarged to the size asked for, and put back.
        padding: px around it.
        soft: soft inpainting.
    """

    mask: Picture
    blur_x: int = Field(default=4, ge=0, le=256)
    blur_y: int = Field(default=4, ge=0, le=256)
    round_mask: bool = True
    invert: bool = False
    content: Literal["fill", "original", "latent noise", "latent nothing"] = "original"
    only_masked: bool = False
    padding: int = Field(default=32, ge=0, le=1024)
    soft: SoftInpainting | None = None


ResizeMode = Literal["just resize", "crop and resize", "resize and fill", "latent upscale"]


class Img2Img(Generation):
    """Make pictures from pictures.

    Attributes:
        images: one for all pictures of a batch, or as many as the batch has.
        resize_mode: how they come to `width` × `height`.
        denoising_strength: how much of a picture is made anew, 0..1.
        image_cfg_scale: how closely InstructPix2Pix models follow the picture, None for 1.5.
        initial_noise_multiplier: factor of the noise a picture begins with, None for the setting's value.
        inpaint: None for the whole picture.
    """

    kind: Literal["img2img"] = "img2img"
    images: tuple[Picture, ...] = Field(min_length=1, max_length=64)
    resize_mode: ResizeMode = "just resize"
    denoising_strength: float = Field(default=0.75, ge=0, le=1)
    image_cfg_scale: float | None = Field(default=None, ge=0, le=100)
    initial_noise_multiplier: float | None = Field(default=None, ge=0, le=4)
    inpaint: Inpaint | None = None

    @model_validator(mode="after")
    def _as_many_images_as_pictures(self) -> Self:
        if len(self.images) not in (1, self.batch_size):
            raise ValueError(
                f"there are {len(self.images)} images for a batch of {self.batch_size}; send one for all, or one each"
            )
        return self


class LoadCheckpoint(Request):
    """Make the settings' checkpoint the loaded one, so that the next picture need not wait for it."""

    kind: Literal["load_checkpoint"] = "load_checkpoint"


class UnloadCheckpoint(Request):
    """Give the memory of all loaded checkpoints back; the next request loads its own again."""

    kind: Literal["unload_checkpoint"] = "unload_checkpoint"


class ListEmbeddings(Request):
    """Tell which embeddings the settings' checkpoint can use."""

    kind: Literal["list_embeddings"] = "list_embeddings"


GenerationRequest = Annotated[
    Txt2Img | Img2Img | LoadCheckpoint | UnloadCheckpoint | ListEmbeddings, Field(discriminator="kind")
]
