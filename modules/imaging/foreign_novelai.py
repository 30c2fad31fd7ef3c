"""Pictures of NovelAI: the texts "Description" and "Comment" (JSON), with its grammar of emphasis made ours.

`metadata_novelai` reads them as A1111 does, which leaves the prompt as it is written.
"""

import re
from collections.abc import Mapping

from modules.imaging.foreign_json import as_number, as_text, as_whole, json_object, side
from modules.imaging.foreign_recipe import ForeignRecipe, RecipeDraft
from modules.imaging.foreign_samplers import comfy_sampler, comfy_scheduler
from modules.imaging.metadata_novelai import COMMENT, DESCRIPTION, NAME, SOFTWARE

_FACTOR = 1.05
_MOST_BRACKETS = 40  # 1.05 to its power is 7
_MARK = re.compile(r"(?<![0-9.])-?[0-9]{1,3}(?:\.[0-9]{1,4})?::|::|[{}\[\]]")
_SEED_NOTE = "Its noise is not ours, so the picture will be another one."
_IGNORED = {
    "cfg_rescale": "Here there is no rescaling of guidance.",
    "sm": "SMEA",
    "sm_dyn": "SMEA DYN",
    "uncond_scale": "Strength of the negative prompt.",
    "dynamic_thresholding": "Decrisper",
    "reference_strength": "Vibe transfer",
    "strength": "The picture that it began with is not in the file.",
}


def novelai_recipe(items: Mapping[str, str]) -> ForeignRecipe | None:
    """Return what the texts of a picture of NovelAI say; None when it is of another program."""
    said = json_object(items.get(COMMENT)) if items.get(SOFTWARE) == NAME else None
    if said is None:
        return None
    draft = RecipeDraft(NAME)
    _write_prompt(draft, as_text(said.get("prompt")) or items.get(DESCRIPTION, ""), "prompt", negative=False)
    _write_prompt(draft, as_text(said.get("uc")) or "", "uc", negative=True)
    draft.write("Steps", as_whole(said.get("steps"), least=1, most=10_000), "steps")
    for source, key, find in (
        ("sampler", "Sampler", comfy_sampler),
        ("noise_schedule", "Schedule type", comfy_scheduler),
    ):
        name = as_text(said.get(source))
        draft.write_match(key, find(name) if name else None, source, name)
    draft.write("CFG scale", as_number(said.get("scale")), "scale")
    draft.write_seed(as_whole(said.get("seed")), note=_SEED_NOTE)
    draft.write_size(side(said.get("width")), side(said.get("height")), "width, height")
    draft.write("Clip skip", 2, SOFTWARE, said=NAME, note="As A1111 reads its pictures.")
    draft.write("ENSD", 31337, SOFTWARE, said=NAME, note="As A1111 reads its pictures.")
    for key, note in _IGNORED.items():
        value = said.get(key)
        if value and (value is True or value != 1):  # a strength of 1 is the usual one
            draft.ignore(key, f"{value!s:.200}", note)
    return draft.finish()


def our_prompt(text: str) -> str:
    """Return a prompt of NovelAI in our grammar.

    There `{more}` is 1.05, `[less]` is 1 / 1.05 and, since its fourth model, `1.2::more::` is 1.2. Round brackets mean
    nothing.
    """
    parts: list[str] = []
    level, number, begin = 0, 1.0, 0
    for found in _MARK.finditer(text):
        parts.append(_weighted(text[begin : found.start()], level, number))
        mark, begin = found[0], found.end()
        if mark.endswith("::"):
            number = float(mark[:-2]) if mark != "::" else 1.0
        else:
            level += 1 if mark in "{]" else -1  # "{a}" goes up and down again, "[a]" down and up
    parts.append(_weighted(text[begin:], level, number))
    return "".join(parts)


def _weighted(text: str, level: int, number: float) -> str:
    plain = re.sub(r"(?<!\\)[()]", r"\\\g<0>", text)
    weight = round(_FACTOR ** max(-_MOST_BRACKETS, min(_MOST_BRACKETS, level)) * number, 3)
    if weight == 1 or not plain.strip():
        return plain
    core = plain.strip()
    return plain.replace(core, f"({core}:{weight:g})", 1)


def _write_prompt(draft: RecipeDraft, text: str, source: str, *, negative: bool) -> None:
    ours = our_prompt(text)
    note = "Its emphasis is written as ours." if ours != text else ""
    draft.write_prompt(ours, source, negative=negative, note=note)
