"""The infotext of a picture: which parameters are written, under which names and in which order (A1111 1.10's)."""

from modules.core.parameters import Txt2Img
from modules.core.samplers import AUTOMATIC, find_sampler
from modules.core.settings import Settings
from modules.core.version import INFOTEXT_VERSION
from modules.imaging.infotext import write_infotext
from modules.library.checkpoints import CheckpointFile

FieldValue = str | int | float | None
DEFAULT_ETA = 1.0


def schedule_label(request: Txt2Img) -> str:
    """The schedule type as A1111 1.10 writes it: what "Automatic" meant, unless that was the plain uniform one."""
    if request.scheduler != AUTOMATIC:
        return request.scheduler
    automatic = find_sampler(request.sampler).automatic_schedule
    return AUTOMATIC if automatic == "Uniform" else automatic


def effective_eta(request: Txt2Img, settings: Settings) -> float:
    """The strength of ancestral noise that this request samples with, 0..1."""
    return settings.eta_ancestral if request.eta is None else request.eta


def infotext_fields(
    request: Txt2Img, settings: Settings, checkpoint: CheckpointFile, seed: int
) -> dict[str, FieldValue]:
    """Return the named fields of a picture's infotext in their order; None means "not written"."""
    sampler = find_sampler(request.sampler)
    eta = effective_eta(request, settings)
    ensd = settings.eta_noise_seed_delta if sampler.uses_ensd and eta else 0
    return {
        "Steps": request.steps,
        "Sampler": request.sampler,
        "Schedule type": schedule_label(request),
        "CFG scale": _plain(request.cfg_scale),
        "Seed": seed,
        "Size": f"{request.width}x{request.height}",
        "Model hash": checkpoint.shorthash if settings.add_model_hash_to_info else None,
        "Model": checkpoint.model_name if settings.add_model_name_to_info else None,
        "Clip skip": settings.CLIP_stop_at_last_layers if settings.CLIP_stop_at_last_layers > 1 else None,
        "ENSD": ensd or None,
        "RNG": settings.randn_source if settings.randn_source != "GPU" else None,
        "Eta": eta if sampler.uses_eta and eta != DEFAULT_ETA else None,
        "Version": INFOTEXT_VERSION if settings.add_version_to_infotext else None,
    }


def _plain(number: float) -> float | int:
    """Return whole numbers without ".0", as A1111's page writes them."""
    return int(number) if number.is_integer() else number


def infotext(
    request: Txt2Img,
    settings: Settings,
    checkpoint: CheckpointFile,
    *,
    prompt: str,
    negative_prompt: str,
    seed: int,
) -> str:
    """Return the infotext of one picture."""
    return write_infotext(prompt, negative_prompt, infotext_fields(request, settings, checkpoint, seed))
