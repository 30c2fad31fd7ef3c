"""Lists of what there is to choose from."""

from fastapi import APIRouter
from pydantic import BaseModel

from modules.core.samplers import SamplerInfo
from modules.frontends.backend import Backend
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
        backend.checkpoints.refresh()

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
                aliases=None,
                default_rho=info.default_rho,
                need_inner_model=info.needs_model,
            )
            for info in backend.jobs.describe().schedulers
        ]

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
    for name in ("second_order", "uses_ensd"):
        if getattr(info, name):
            options[name] = "True"
    return options
