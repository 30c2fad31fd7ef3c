"""Lists of what there is to choose from."""

from fastapi import APIRouter
from pydantic import BaseModel

from modules.core.samplers import SamplerInfo
from modules.core.upscalers import LATENT_MODES, PICTURE_UPSCALERS
from modules.frontends.backend import Backend
from modules.library.kinds import ModelKind
from modules.prompting.styles import read_styles


class CheckpointEntry(BaseModel):
    """A checkpoint file. `hash` and `sha256` are null until the file was loaded once."""

    title: str
    model_name: str
    hash: str | None
    sha256: str | None
    filename: str
    config: str | None


class SamplerEntry(BaseModel):
    """A sampler; the values of `options` are strings, as A1111's."""

    name: str
    aliases: list[str]
    options: dict[str, str]


class SchedulerEntry(BaseModel):
    """A schedule type."""

    name: str
    label: str
    aliases: list[str] | None
    default_rho: float
    need_inner_model: bool


class UpscalerEntry(BaseModel):
    """An upscaler of pictures; those that need no model have no names and paths of one."""

    name: str
    model_name: str | None = None
    model_path: str | None = None
    model_url: str | None = None
    scale: float = 4


class LatentModeEntry(BaseModel):
    """A way to enlarge latents."""

    name: str


class StyleEntry(BaseModel):
    """A row of `styles.csv`."""

    name: str
    prompt: str
    negative_prompt: str


def catalogue_router(backend: Backend) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/sdapi/v1")

    @router.get("/sd-models")
    def checkpoints() -> list[CheckpointEntry]:
        """The checkpoints."""
        return [
            CheckpointEntry(
                title=file.title,
                model_name=file.flat_name,
                hash=file.shorthash,
                sha256=file.sha256,
                filename=str(file.path),
                config=str(file.config) if file.config else None,
            )
            for file in backend.checkpoints.all()
        ]

    @router.post("/refresh-checkpoints")
    def refresh_checkpoints() -> None:
        """Look for checkpoints again."""
        backend.library.refresh(ModelKind.CHECKPOINT)

    @router.get("/samplers")
    async def samplers() -> list[SamplerEntry]:
        """The samplers."""
        return [
            SamplerEntry(name=info.name, aliases=list(info.aliases), options=_sampler_options(info))
            for info in backend.jobs.describe().samplers
        ]

    @router.get("/schedulers")
    async def schedulers() -> list[SchedulerEntry]:
        """The schedule types."""
        return [
            SchedulerEntry(
                name=info.name,
                label=info.label,
                aliases=list(info.aliases) or None,
                default_rho=info.default_rho,
                need_inner_model=info.needs_model,
            )
            for info in backend.jobs.describe().schedulers
        ]

    @router.get("/upscalers")
    async def upscalers() -> list[UpscalerEntry]:
        """The upscalers of pictures."""
        return [UpscalerEntry(name=name) for name in PICTURE_UPSCALERS]

    @router.get("/latent-upscale-modes")
    async def latent_upscale_modes() -> list[LatentModeEntry]:
        """The ways in which Hires. fix can enlarge latents."""
        return [LatentModeEntry(name=name) for name in LATENT_MODES]

    @router.get("/prompt-styles")
    def prompt_styles() -> list[StyleEntry]:
        """The saved styles."""
        return [
            StyleEntry(name=style.name, prompt=style.prompt, negative_prompt=style.negative_prompt)
            for style in read_styles(backend.paths.styles_file)
        ]

    return router


def _sampler_options(info: SamplerInfo) -> dict[str, str]:
    options: dict[str, str] = {}
    if info.automatic_schedule != "Uniform":
        options["scheduler"] = info.automatic_schedule.casefold()
    for name in ("second_order", "uses_ensd", "brownian_noise", "discard_next_to_last_sigma"):
        if getattr(info, name):
            options[name] = "True"
    if info.solver_type:
        options["solver_type"] = info.solver_type
    return options
