"""What can be asked for: frozen, validated requests. Nothing here is a tensor or a callable, so a request may be
pickled, stored and sent to another process.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from modules.core.samplers import AUTOMATIC, SAMPLERS, find_sampler, find_scheduler

MAX_PROMPT_CHARACTERS = 50_000
MAX_SIDE = 4096
MAX_STEPS = 1000
MAX_SEED = 2**63 - 1

Prompt = Annotated[str, Field(max_length=MAX_PROMPT_CHARACTERS)]
Side = Annotated[int, Field(ge=8, le=MAX_SIDE, description="pixels, rounded down to a multiple of 8")]


class Request(BaseModel):
    """Base of every request: frozen, no unknown fields, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Txt2Img(Request):
    """Make pictures from a prompt. Defaults are those of A1111's txt2img tab.

    Attributes:
        prompt: what the picture shows.
        negative_prompt: what it must not show.
        styles: names of rows of `styles.csv` that are merged into both prompts.
        sampler: label of a sampler; aliases are resolved here.
        scheduler: label of a schedule type; "Automatic" leaves it to the sampler.
        steps: sampling steps.
        cfg_scale: classifier-free guidance scale (arXiv:2207.12598); 1 turns guidance off.
        seed: of the first picture; the next ones count up. −1 is replaced by a random seed when the job is queued.
        subseed: variation seed, −1 is replaced likewise; recorded, not yet mixed in.
        width: px.
        height: px.
        batch_count: how many batches are made one after the other (A1111's n_iter).
        batch_size: how many pictures are sampled together.
        eta: strength of ancestral noise, None for the setting's value.
        save_images: False keeps the pictures off the disk whatever the setting `samples_save` says.
        make_grid: False makes no overview picture whatever the settings `grid_save` and `return_grid` say.
    """

    kind: Literal["txt2img"] = "txt2img"
    prompt: Prompt = ""
    negative_prompt: Prompt = ""
    styles: tuple[str, ...] = ()
    sampler: str = SAMPLERS[0].name
    scheduler: str = AUTOMATIC
    steps: int = Field(default=20, ge=1, le=MAX_STEPS)
    cfg_scale: float = Field(default=7.0, ge=0, le=100)
    seed: int = Field(default=-1, ge=-MAX_SEED, le=MAX_SEED)
    subseed: int = Field(default=-1, ge=-MAX_SEED, le=MAX_SEED)
    width: Side = 512
    height: Side = 512
    batch_count: int = Field(default=1, ge=1, le=1000)
    batch_size: int = Field(default=1, ge=1, le=64)
    eta: float | None = Field(default=None, ge=0, le=1)
    save_images: bool = True
    make_grid: bool = True

    @field_validator("width", "height")
    @classmethod
    def _whole_latents(cls, side: int) -> int:
        """The VAE works on blocks of 8×8 px; A1111 rounds down (63 becomes 56)."""
        return side // 8 * 8

    @field_validator("sampler")
    @classmethod
    def _canonical_sampler(cls, name: str) -> str:
        return find_sampler(name).name

    @field_validator("scheduler")
    @classmethod
    def _canonical_scheduler(cls, name: str) -> str:
        return find_scheduler(name).label


class LoadCheckpoint(Request):
    """Make the settings' checkpoint the loaded one, so that the next picture need not wait for it."""

    kind: Literal["load_checkpoint"] = "load_checkpoint"


GenerationRequest = Annotated[Txt2Img | LoadCheckpoint, Field(discriminator="kind")]
