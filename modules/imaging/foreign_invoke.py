"""Pictures of InvokeAI: "invokeai_metadata" (since 3.0), "sd-metadata" (2.x) and "Dream" (1.x and 2.x)."""

import re
from collections.abc import Mapping

from modules.imaging.foreign_json import Object, as_list, as_number, as_object, as_text, as_whole, json_object, side
from modules.imaging.foreign_recipe import ForeignRecipe, RecipeDraft, stem
from modules.imaging.foreign_samplers import invoke_sampler

PROGRAM = "InvokeAI"
_SEED_NOTE = "The first noise is the same where both make it on the same device; what samplers add on their way is not."
_WEIGHTS_NOTE = "Weights are written as ours; there, they are applied a little differently."

_IGNORED = {
    "controlnets": "ControlNet",
    "ipAdapters": "IP-Adapter",
    "t2iAdapters": "T2I-Adapter",
    "control_layers": "Control layers",
    "init_image": "The picture that it began with.",
    "cfg_rescale_multiplier": "Here there is no rescaling of guidance.",
    "positive_style_prompt": "Both text encoders get the prompt here.",
    "negative_style_prompt": "Both text encoders get the negative prompt here.",
}

# (a phrase)1.3 · (a phrase)++ · word++ — of Compel's grammar what has no brackets within
_PHRASE = re.compile(r"(?<!\\)\(([^()\\]*)\)(?:(?P<number>[0-9]{1,3}(?:\.[0-9]{1,6})?)|(?P<signs>[+-]{1,20}))?")
_WORD = re.compile(r"(?<![\w(])(?P<word>[^\W\d_]\w*)(?P<signs>\+{1,20}|-{2,20})(?=[\s,.;]|$)")
_MORE, _LESS = 1.1, 0.9

_OPTION = re.compile(r"\s-(?P<name>[sSWHCA])\s?(?P<value>[\w.]{1,40})(?=\s|$)")
_NEGATIVE = re.compile(r"(?<!\\)\[([^\[\]]*)\]")


def invoke_recipe(items: Mapping[str, str]) -> ForeignRecipe | None:
    """Return what the texts of a picture of InvokeAI say; None when it is not InvokeAI's."""
    if said := json_object(items.get("invokeai_metadata")):
        return _new(said)
    if said := json_object(items.get("sd-metadata")):
        return _old(said)
    return _dream(items["Dream"]) if "Dream" in items else None


def our_prompt(text: str) -> str:
    """Return a prompt in the grammar of Compel, of which weights are understood, in ours."""
    words = _WORD.sub(lambda found: f"({found['word']}:{_signed(found['signs']):g})", text)
    return _PHRASE.sub(_phrase, words)


def _phrase(found: re.Match[str]) -> str:
    inner, number, signs = found[1], found["number"], found["signs"]
    if re.search(r":[0-9.]+$", inner):  # one of ours
        return found[0]
    if number or signs:
        return f"({inner}:{float(number) if number else _signed(signs):g})"
    return inner


def _signed(signs: str) -> float:
    return round((_MORE if signs[0] == "+" else _LESS) ** len(signs), 4)


def _new(said: Object) -> ForeignRecipe | None:
    draft = RecipeDraft(PROGRAM)
    for key, negative in (("positive_prompt", False), ("negative_prompt", True)):
        _write_prompt(draft, as_text(said.get(key)) or "", key, negative=negative)
    draft.write("Steps", as_whole(said.get("steps"), least=1, most=10_000), "steps")
    _write_scheduler(draft, as_text(said.get("scheduler")), "scheduler")
    draft.write("CFG scale", as_number(said.get("cfg_scale")), "cfg_scale")
    draft.write_seed(as_whole(said.get("seed")), note=_SEED_NOTE)
    draft.write_size(side(said.get("width")), side(said.get("height")), "width, height")
    if name := _model_name(said.get("model")):
        draft.write("Model", stem(name), "model", said=name)
    if name := _model_name(said.get("vae")):
        draft.write("VAE", name, "vae")
    skipped = as_whole(said.get("clip_skip"), least=0, most=11)
    draft.write("Clip skip", skipped + 1 if skipped else None, "clip_skip", said=skipped)
    if said.get("rand_device") == "cpu":
        draft.write("RNG", "CPU", "rand_device", said="cpu")
    if said.get("seamless_x") is True and said.get("seamless_y") is True:
        draft.write("Tiling", "True", "seamless_x, seamless_y", said=True)
    for entry in as_list(said.get("loras"))[:100]:
        _write_lora(draft, as_object(entry) or {})
    _write_second(draft, said)
    for key, note in _IGNORED.items():
        if said.get(key):
            draft.ignore(key, _short(said[key]), note)
    return draft.finish()


def _write_second(draft: RecipeDraft, said: Object) -> None:
    if said.get("hrf_enabled") is True:
        method = as_text(said.get("hrf_method")) or ""
        draft.write("Hires upscale", 2.0, "hrf_enabled", said=True, note="By its default size.")
        draft.write("Hires upscaler", "Latent", "hrf_method", said=method, note="Theirs is not there.")
        draft.write("Denoising strength", as_number(said.get("hrf_strength")), "hrf_strength")
    elif (strength := as_number(said.get("strength"))) is not None and said.get("init_image"):
        draft.write("Denoising strength", strength, "strength")
    if name := _model_name(said.get("refiner_model")):
        draft.write("Refiner", stem(name), "refiner_model", said=name)
        draft.write("Refiner switch at", as_number(said.get("refiner_start")), "refiner_start")


def _write_lora(draft: RecipeDraft, said: Object) -> None:
    name = _model_name(said.get("model")) or _model_name(said.get("lora"))
    weight = as_number(said.get("weight"))
    if name:
        draft.add_lora(name, 1.0 if weight is None else weight, None, "loras")


def _model_name(said: object) -> str | None:
    """Return the name of a model, which stands in an object, as text, or as the end of "base/kind/name"."""
    if isinstance(said, str):
        return said.rpartition("/")[2]
    found = as_object(said) or {}
    return as_text(found.get("name")) or as_text(found.get("model_name"))


def _old(said: Object) -> ForeignRecipe | None:
    image = as_object(said.get("image")) or {}
    draft = RecipeDraft(PROGRAM)
    prompt = image.get("prompt")
    parts = [prompt] if isinstance(prompt, str) else [(as_object(part) or {}).get("prompt") for part in as_list(prompt)]
    _write_both(draft, " ".join(part for part in parts[:100] if isinstance(part, str)), "prompt")
    draft.write("Steps", as_whole(image.get("steps"), least=1, most=10_000), "steps")
    _write_scheduler(draft, as_text(image.get("sampler")), "sampler")
    draft.write("CFG scale", as_number(image.get("cfg_scale")), "cfg_scale")
    draft.write_seed(as_whole(image.get("seed")), note=_SEED_NOTE)
    draft.write_size(side(image.get("width")), side(image.get("height")), "width, height")
    if name := as_text(said.get("model_weights")):
        draft.write("Model", stem(name), "model_weights", said=name)
    if image.get("seamless") is True:
        draft.write("Tiling", "True", "seamless", said=True)
    for key in ("hires_fix", "variations", "postprocessing", "threshold", "perlin"):
        if image.get(key):
            draft.ignore(key, _short(image[key]))
    return draft.finish()


def _dream(text: str) -> ForeignRecipe | None:
    """Read a command: `"a prompt [what it must not show]" -s 50 -S 1 -W 512 -H 512 -C 7.5 -A k_lms`."""
    prompt, _, options = text.strip().removeprefix('"').rpartition('"')
    said = {found["name"]: found["value"] for found in _OPTION.finditer(f" {options[:1000]}")}
    draft = RecipeDraft(PROGRAM)
    _write_both(draft, prompt, "prompt")
    draft.write("Steps", as_whole(said.get("s"), least=1, most=10_000), "-s")
    _write_scheduler(draft, said.get("A"), "-A")
    draft.write("CFG scale", as_number(said.get("C")), "-C")
    draft.write_seed(as_whole(said.get("S")), note=_SEED_NOTE)
    draft.write_size(side(said.get("W")), side(said.get("H")), "-W, -H")
    return draft.finish()


def _write_both(draft: RecipeDraft, text: str, source: str) -> None:
    """Write a prompt that holds, in square brackets, what the picture must not show."""
    _write_prompt(draft, _NEGATIVE.sub("", text), source, negative=False)
    _write_prompt(draft, " ".join(_NEGATIVE.findall(text)), f"{source}, in brackets", negative=True)


def _write_prompt(draft: RecipeDraft, text: str, source: str, *, negative: bool) -> None:
    ours = our_prompt(text)
    differs = ours != text
    draft.write_prompt(ours, source, negative=negative, note=_WEIGHTS_NOTE if differs else "")


def _write_scheduler(draft: RecipeDraft, name: str | None, source: str) -> None:
    if name is None:
        return
    match = invoke_sampler(name)
    if match is None:
        draft.ignore(source, name, "Not known here.")
        return
    for key, (label, note) in (("Sampler", match.sampler), ("Schedule type", match.scheduler)):
        draft.write(key, label, source, said=name, note=note)


def _short(value: object) -> str:
    count = len(as_list(value))
    return f"{count} in number" if count else f"{value!s:.200}"
