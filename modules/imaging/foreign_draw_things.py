"""Pictures of Draw Things: JSON in the UserComment of an XMP packet."""

import html
import re
from collections.abc import Mapping

from modules.imaging.foreign_json import as_list, as_number, as_object, as_text, as_whole, json_object, side
from modules.imaging.foreign_recipe import ForeignRecipe, RecipeDraft, stem
from modules.imaging.foreign_samplers import draw_things_sampler
from modules.imaging.foreign_texts import XMP

PROGRAM = "Draw Things"
_XMP = ("XML:com.adobe.xmp", XMP)
_COMMENT, _END = "<exif:UserComment>", "</rdf:li>"
_BEGIN = re.compile(r".{0,300}?<rdf:li[^>]{0,100}>", re.DOTALL)
_SIZE = re.compile(r"([0-9]{1,6})x([0-9]{1,6})")
_SEED_NOTE = "Its noise is made in another way, so the picture will be another one."


def draw_things_recipe(items: Mapping[str, str]) -> ForeignRecipe | None:
    """Return what the XMP packet of a picture of Draw Things says; None when it is of another program."""
    packet = next((items[name] for name in _XMP if name in items), "")
    said = json_object(_comment(packet)) if PROGRAM in packet else None
    if said is None:
        return None
    draft = RecipeDraft(PROGRAM)
    draft.write_prompt(as_text(said.get("c")) or "", "c")
    draft.write_prompt(as_text(said.get("uc")) or "", "uc", negative=True)
    draft.write("Steps", as_whole(said.get("steps"), least=1, most=10_000), "steps")
    name = as_text(said.get("sampler"))
    match = draw_things_sampler(name) if name else None
    if match:
        for key, (label, note) in (("Sampler", match.sampler), ("Schedule type", match.scheduler)):
            draft.write(key, label, "sampler", said=name, note=note)
    elif name:
        draft.ignore("sampler", name, "Not known here.")
    draft.write("CFG scale", as_number(said.get("scale")), "scale")
    draft.write_seed(as_whole(said.get("seed")), note=_SEED_NOTE)
    if size := _SIZE.fullmatch(as_text(said.get("size")) or ""):
        draft.write_size(side(size[1]), side(size[2]), "size")
    if model := as_text(said.get("model")):
        draft.write("Model", stem(model), "model", said=model)
    for entry in as_list(said.get("lora"))[:100]:
        part = as_object(entry) or {}
        file, weight = as_text(part.get("model")), as_number(part.get("weight"))
        if file:
            draft.add_lora(file, 1.0 if weight is None else weight, None, "lora")
    if (strength := as_number(said.get("strength"))) is not None and strength < 1:
        draft.ignore("strength", strength, "The picture that it began with is not in the file.")
    return draft.finish()


def _comment(packet: str) -> str:
    """Return the first entry of the packet's UserComment."""
    _, _, rest = packet.partition(_COMMENT)
    begin = _BEGIN.match(rest)
    return html.unescape(rest[begin.end() :].partition(_END)[0]) if begin else ""
