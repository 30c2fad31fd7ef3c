"""An infotext's last line as `GenerationFields`, and back."""

import math
import re
from collections.abc import Mapping
from dataclasses import Field, fields, replace
from typing import Any

from modules.imaging.generation_fields import (
    GROUP,
    KEY,
    KIND,
    GenerationFields,
    HiresFields,
    MaskFields,
    Size,
)
from modules.imaging.infotext import NEGATIVE_KEY, PROMPT_KEY, FieldValue, write_infotext

_WHOLE = re.compile(r"-?[0-9]{1,20}")  # Python refuses to read very long numbers
_NUMBER = re.compile(r"-?[0-9]{1,309}(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,3})?")
_SIDE = re.compile(r"[0-9]{1,9}")

_UNSAID: dict[str, FieldValue] = {
    "fp8_weight": "Disable",
    "clip_skip": 1,
    "ensd": 0,
    "token_merging_ratio": 0,
    "rng": "GPU",
    "s_min_uncond": 0,
    "tiling": False,
    "initial_noise_multiplier": 1,
    "extra_noise": 0,
    "vae_encoder": "Full",
    "vae_decoder": "Full",
    "vae_tiling": False,
    "downcast_alphas": False,
    "noise_schedule": "Default",
    "old_timelines": False,
    "refiner_by_sample_steps": False,
    "hires_refiner": "second pass",
}
_UNSAID_OF_MASK: dict[str, FieldValue] = {
    "mode": "Inpaint masked",
    "blur": 0,
    "area": "Whole picture",
    "content": "original",
}
_UNSAID_OF_SAMPLING: dict[str, FieldValue] = {
    "discard_penultimate": False,
    "sigma_min": 0,
    "sigma_max": 0,
    "rho": 0,
    "sgm_noise_multiplier": False,
    "eta": 1,
    "eta_ddim": 0,
    "s_churn": 0,
    "s_tmin": 0,
    "s_tmax": 0,
    "s_noise": 1,
    "pad_conds": False,
    "pad_conds_v0": False,
    "s_min_uncond_all": False,
    "skip_early_cond": 0,
    "uni_pc_variant": "bh1",
    "uni_pc_skip_type": "time_uniform",
    "uni_pc_order": 3,
    "uni_pc_lower_order_final": True,
}


def write_generation(generation: GenerationFields) -> str:
    """Return the infotext that says all of `generation`."""
    pairs = infotext_pairs(generation)
    marks = [key for key, value in pairs.items() if key == value == generation.extra.get(key)]
    return write_infotext(generation.prompt, generation.negative_prompt, pairs, marks)


def infotext_pairs(generation: GenerationFields) -> dict[str, FieldValue]:
    """Return the keys and values of the infotext's last line in A1111 1.10's order; None is not written."""
    pairs: dict[str, FieldValue] = {}
    for entry in fields(generation):
        value = getattr(generation, entry.name)
        if KEY in entry.metadata:
            pairs[entry.metadata[KEY]] = _written(value)
        elif GROUP in entry.metadata and value is not None:
            pairs |= {part.metadata[KEY]: _written(getattr(value, part.name)) for part in fields(value)}
        elif entry.name == "extra":
            pairs |= {key: extra for key, extra in generation.extra.items() if pairs.get(key) is None}
    return pairs


def generation_fields(said: Mapping[str, str]) -> GenerationFields:
    """Return what the result of `read_infotext` says, typed.

    What does not fit its type (`Steps: many`) or has an unknown key is in `extra`.
    """
    rest = {key: text for key, text in said.items() if key not in (PROMPT_KEY, NEGATIVE_KEY)}
    values = _taken(GenerationFields, rest)
    for entry in fields(GenerationFields):
        if GROUP in entry.metadata and (parts := _taken(entry.metadata[GROUP], rest)):
            values[entry.name] = entry.metadata[GROUP](**parts)
    return GenerationFields(
        prompt=said.get(PROMPT_KEY, ""),
        negative_prompt=said.get(NEGATIVE_KEY, ""),
        extra=_joined_sizes(rest),
        **values,
    )


def without_defaults(generation: GenerationFields) -> GenerationFields:
    """Return `generation` without what A1111 1.10 leaves out: defaults, and what had no effect.

    Which settings a sampler heeds is for the caller to know: None for those that it does not.
    """
    changes = _unsaid(generation, _UNSAID) | _without_effect(generation)
    if generation.soft and not generation.soft.enabled:
        changes["soft"] = None
    if generation.hires:
        changes["hires"] = _hires_without_defaults(generation, generation.hires)
    if generation.mask:
        changes["mask"] = _mask_without_defaults(generation.mask)
    if generation.sampling:
        changes["sampling"] = replace(generation.sampling, **_unsaid(generation.sampling, _UNSAID_OF_SAMPLING))
    return replace(generation, **changes)


def _without_effect(generation: GenerationFields) -> dict[str, None]:
    """None for each attribute that changed nothing because of another."""
    without: set[str] = set()
    if not generation.subseed_strength:
        without |= {"subseed", "subseed_strength"}
    if generation.seed_resize_from and min(generation.seed_resize_from) <= 0:
        without.add("seed_resize_from")
    if generation.fp8_weight in (None, "Disable"):
        without.add("cache_fp16_weight")
    if generation.emphasis == "Original" or not _emphasises(generation):
        without.add("emphasis")
    if generation.refiner is None:
        without |= {"refiner_switch_at", "refiner_by_sample_steps", "hires_refiner"}
    if generation.hires is None or not generation.token_merging_ratio_hr:
        without.add("token_merging_ratio_hr")
    return dict.fromkeys(without)


def _hires_without_defaults(first: GenerationFields, hires: HiresFields) -> HiresFields:
    """A second pass says only what differs from the first, and either a factor or a size."""
    same = {
        "sampler": first.sampler,
        "scheduler": first.scheduler,
        "prompt": first.prompt,
        "negative_prompt": first.negative_prompt,
        "cfg_scale": first.cfg_scale,
        "steps": 0,
        "size": (0, 0),
    }
    changes = _unsaid(hires, same)
    changes |= {name: None for name in ("prompt", "negative_prompt") if not getattr(hires, name)}
    if hires.size and any(hires.size):
        changes["scale"] = None
    return replace(hires, **changes)


def _mask_without_defaults(mask: MaskFields) -> MaskFields:
    changes = _unsaid(mask, _UNSAID_OF_MASK)
    if mask.area != "Only masked":
        changes["padding"] = None
    return replace(mask, **changes)


def _unsaid(group: object, defaults: Mapping[str, object]) -> dict[str, Any]:
    """None for each attribute of `group` that has its default."""
    return {name: None for name, default in defaults.items() if getattr(group, name) == default}


def _emphasises(generation: GenerationFields) -> bool:
    """Whether a prompt of either pass could weigh words: then A1111 says how."""
    texts = [generation.prompt, generation.negative_prompt]
    if generation.hires:
        texts += [generation.hires.prompt or "", generation.hires.negative_prompt or ""]
    return any(bracket in text for text in texts for bracket in "([")


def _written(value: Any) -> FieldValue:
    return f"{value[0]}x{value[1]}" if isinstance(value, tuple) else value


def _taken(group: type, rest: dict[str, str]) -> dict[str, Any]:
    """Return the attributes of `group` that `rest` holds, and take them out of `rest`."""
    values: dict[str, Any] = {}
    for entry in fields(group):
        if KEY in entry.metadata and (value := _read(entry, rest)) is not None:
            values[entry.name] = value
            for key in (entry.metadata[KEY], *_size_keys(entry.metadata[KEY])):
                rest.pop(key, None)
    return values


def _read(entry: Field[Any], said: Mapping[str, str]) -> str | int | float | Size | None:
    """The value of one attribute; None when it is not said or does not fit."""
    key, kind = entry.metadata[KEY], entry.metadata[KIND]
    width, height = (said.get(name, "") for name in _size_keys(key))
    text = said.get(key)
    if kind == "size":
        return (int(width), int(height)) if _SIDE.fullmatch(width) and _SIDE.fullmatch(height) else None
    if text is None and kind == "text" and width and height:
        return f"{width}x{height}"  # `read_infotext` takes any such text for a size
    if text is None or kind == "text":
        return text
    return _read_number(text, kind)


def _read_number(text: str, kind: str) -> int | float | None:
    if kind == "flag":
        return {"True": True, "False": False}.get(text)
    if _WHOLE.fullmatch(text):
        return int(text)
    if kind == "whole" or not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def _size_keys(key: str) -> tuple[str, str]:
    """The keys under which `read_infotext` puts a size."""
    return f"{key}-1", f"{key}-2"


def _joined_sizes(rest: Mapping[str, str]) -> dict[str, FieldValue]:
    """Undo what `read_infotext` does to sizes under keys that nobody knows."""
    joined: dict[str, FieldValue] = {}
    for key, text in rest.items():
        base = key[:-2]
        width, height = (rest.get(name, "") for name in _size_keys(base))
        if key not in _size_keys(base) or not (width.isdecimal() and height.isdecimal()):
            joined[key] = text
        else:
            joined[base] = f"{width}x{height}"
    return joined
