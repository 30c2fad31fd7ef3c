"""Pictures of Fooocus in its own scheme: a JSON object as the text "parameters".

In its other scheme, "a1111", it writes an infotext, which is read as one.
"""

import re
from collections.abc import Mapping

from modules.imaging.foreign_json import Object, as_list, as_number, as_text, as_whole, json_object, side
from modules.imaging.foreign_recipe import ForeignRecipe, RecipeDraft, file_name, stem
from modules.imaging.foreign_samplers import comfy_sampler, comfy_scheduler

PROGRAM = "Fooocus"
_SEED_NOTE = "The first noise is the same with RNG: CPU; what samplers add on their way is not."
_STYLES_NOTE = "With the texts of its styles; there, each style is a part of its own."
_TEXTS = ("parameters", "exif comment", "comment", "UserComment")
_NONE = ("", "None", "Default (model)")
_PAIR = re.compile(r"\(?\s*([0-9]{1,6})\s*[,x×]\s*([0-9]{1,6})\s*\)?")
_COMBINED = re.compile(r"lora_combined_[0-9]{1,3}")
_IGNORED = {
    "performance": "The steps say it.",
    "styles": "Their texts are in the prompts.",
    "sharpness": "Here there is no such filter.",
    "adm_guidance": "Here there is no such guidance.",
    "adaptive_cfg": "Here there is no such guidance.",
    "freeu": "Here there is no FreeU.",
    "inpaint_engine_version": "",
}


def fooocus_recipe(items: Mapping[str, str]) -> ForeignRecipe | None:
    """Return what the JSON of a picture of Fooocus says; None when it is not Fooocus's."""
    for name in _TEXTS:
        said = json_object(items.get(name))
        if said and _is_fooocus(said):
            return _recipe(said)
    return None


def _is_fooocus(said: Object) -> bool:
    version = as_text(said.get("version")) or ""
    return "base_model" in said and ("Fooocus" in version or {"performance", "sharpness"} & said.keys() != set())


def _recipe(said: Object) -> ForeignRecipe | None:
    draft = RecipeDraft(PROGRAM)
    _write_prompt(draft, said, "prompt", negative=False)
    _write_prompt(draft, said, "negative_prompt", negative=True)
    draft.write("Steps", as_whole(said.get("steps"), least=1, most=10_000), "steps")
    for source, key, find in (("sampler", "Sampler", comfy_sampler), ("scheduler", "Schedule type", comfy_scheduler)):
        name = as_text(said.get(source))
        draft.write_match(key, find(name) if name else None, source, name)
    draft.write("CFG scale", as_number(said.get("guidance_scale")), "guidance_scale")
    draft.write_seed(as_whole(said.get("seed")), note=_SEED_NOTE)
    if found := _PAIR.fullmatch(as_text(said.get("resolution")) or ""):
        draft.write_size(side(found[1]), side(found[2]), "resolution")
    _write_models(draft, said)
    draft.write("Clip skip", as_whole(said.get("clip_skip"), least=1, most=12), "clip_skip")
    draft.write("RNG", "CPU", "noise", said="made on the CPU")
    for key, note in _IGNORED.items():
        if said.get(key):
            draft.ignore(key, f"{said[key]!s:.300}", note)
    return draft.finish()


def _write_prompt(draft: RecipeDraft, said: Object, key: str, *, negative: bool) -> None:
    full = [part for part in as_list(said.get(f"full_{key}"))[:200] if isinstance(part, str) and part]
    plain = as_text(said.get(key)) or ""
    text = ", ".join(full) or plain
    differs = text != plain
    draft.write_prompt(text, f"full_{key}" if full else key, negative=negative, note=_STYLES_NOTE if differs else "")


def _write_models(draft: RecipeDraft, said: Object) -> None:
    model = as_text(said.get("base_model"))
    if model:
        draft.write("Model hash", (as_text(said.get("base_model_hash")) or "")[:10] or None, "base_model_hash")
        draft.write("Model", stem(model), "base_model", said=model)
    refiner = as_text(said.get("refiner_model"))
    if refiner and refiner not in _NONE:
        draft.write("Refiner", stem(refiner), "refiner_model", said=refiner)
        draft.write("Refiner switch at", as_number(said.get("refiner_switch")), "refiner_switch")
    vae = as_text(said.get("vae"))
    if vae and vae not in _NONE:
        draft.write("VAE", file_name(vae), "vae", said=vae)
    for name, weight in _loras(said):
        draft.add_lora(name, weight, None, "loras")


def _loras(said: Object) -> list[tuple[str, float]]:
    """Return the LoRA files: a list since 2.2, texts "name : weight" as well before."""
    found: list[tuple[str, float]] = []
    for entry in as_list(said.get("loras"))[:100]:
        match as_list(entry):
            case [str() as name, weight, *_] if (strength := as_number(weight)) is not None:
                found.append((name, strength))
            case _:
                pass
    if found:
        return found
    for key, value in said.items():
        name, colon, weight = (as_text(value) or "").rpartition(" : ")
        if _COMBINED.fullmatch(key) and colon and (strength := as_number(weight)) is not None:
            found.append((name, strength))
    return found
