"""What a client is told about finished pictures: A1111's `info` object."""

import json
from base64 import b64encode
from typing import Any

from modules.core.job import Job
from modules.core.parameters import Generation, HiresFix, Img2Img, Txt2Img
from modules.core.results import GenerationResult
from modules.core.samplers import AUTOMATIC, find_sampler
from modules.core.version import INFOTEXT_VERSION
from modules.imaging.generation_fields import GenerationFields
from modules.imaging.infotext import FieldValue, read_infotext
from modules.imaging.infotext_fields import generation_fields, infotext_pairs

TIMESTAMP = "%Y%m%d%H%M%S"

NO_EXTRA = frozenset(
    {
        *("Steps", "Sampler", "CFG scale", "Image CFG scale", "Seed", "Face restoration", "Size"),
        *("Model hash", "Model", "FP8 weight", "Cache FP16 weight for LoRA", "VAE hash", "VAE"),
        *("Variation seed", "Variation seed strength", "Seed resize from", "Conditional mask weight"),
        *("Clip skip", "ENSD", "Token merging ratio", "Token merging ratio hr", "Init image hash"),
        *("RNG", "NGMS", "Tiling", "Version", "User"),
    }
)
"""Keys of an infotext that A1111 does not count among its `extra_generation_params`."""


def generation_answer(
    job: Job, request: Generation, result: GenerationResult, *, parameters: dict[str, Any], send_images: bool
) -> bytes:
    """Return the JSON answer of a request.

    Args:
        job: when it was submitted, and its settings.
        request: as it was run, with seeds drawn.
        result: the pictures, the grid first if there is one.
        parameters: the client's request, handed back to it.
        send_images: whether the pictures (in the format of the settings, base64) are in the answer.
    """
    images = [b64encode(image.data).decode("ascii") for image in result.images] if send_images else []
    # ASCII with escapes: JSON can say halves of surrogate pairs, which a client may send, and UTF-8 cannot.
    info = json.dumps(generation_info(job, request, result))
    answer = {"images": images, "parameters": parameters, "info": info}
    return json.dumps(answer, allow_nan=False, separators=(",", ":")).encode()


def generation_info(job: Job, request: Generation, result: GenerationResult) -> dict[str, Any]:
    """Return A1111's description of what was made, under its names and in its order."""
    pictures = [image for image in result.images if not image.is_grid and not image.is_mask]
    prompts = [image.prompt for image in pictures] or [request.prompt]
    negative_prompts = [image.negative_prompt for image in pictures] or [request.negative_prompt]
    seeds = [image.seed for image in pictures] or [request.seed]
    subseeds = [image.subseed for image in pictures] or [request.subseed]
    said = generation_fields(read_infotext(pictures[0].infotext)) if pictures else GenerationFields()
    return {
        "prompt": prompts[0],
        "all_prompts": prompts,
        "negative_prompt": negative_prompts[0],
        "all_negative_prompts": negative_prompts,
        "seed": seeds[0],
        "all_seeds": seeds,
        "subseed": subseeds[0],
        "all_subseeds": subseeds,
        "subseed_strength": request.subseed_strength,
        "width": request.width,
        "height": request.height,
        "sampler_name": request.sampler,
        "cfg_scale": request.cfg_scale,
        "steps": request.steps,
        "batch_size": request.batch_size,
        "restore_faces": False,
        "face_restoration_model": None,
        "sd_model_name": result.model_name,
        "sd_model_hash": result.model_hash,
        "sd_vae_name": said.vae,
        "sd_vae_hash": said.vae_hash,
        "seed_resize_from_w": request.seed_resize_from_width or -1,
        "seed_resize_from_h": request.seed_resize_from_height or -1,
        "denoising_strength": _denoising_strength(request),
        "extra_generation_params": _extra(said, request),
        "index_of_first_image": int(bool(result.images) and result.images[0].is_grid),
        "infotexts": [image.infotext for image in result.images if not image.is_mask],
        "styles": list(request.styles),
        "job_timestamp": job.created.strftime(TIMESTAMP),
        "clip_skip": job.settings.CLIP_stop_at_last_layers,
        "is_using_inpainting_conditioning": said.inpainting_mask_weight is not None,
        "version": INFOTEXT_VERSION,
        "notes": list(result.notes),  # our own: names that were not found, and what else people ought to know
    }


def _extra(said: GenerationFields, request: Generation) -> dict[str, FieldValue]:
    """Return what A1111's samplers, passes and scripts add to an infotext.

    The schedule type is among it when a curve was chosen, and the sampler heeded it.
    """
    without = NO_EXTRA
    if said.scheduler == AUTOMATIC or find_sampler(request.sampler).timesteps:
        without |= {"Schedule type"}
    return {key: value for key, value in infotext_pairs(said).items() if value is not None and key not in without}


def _denoising_strength(request: Generation) -> float | None:
    match request:
        case Img2Img():
            return request.denoising_strength
        case Txt2Img(hires=HiresFix() as hires):
            return hires.denoising_strength
        case _:
            return None
