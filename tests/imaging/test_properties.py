"""Infotexts: what is written is read back, to the last field, and no text raises."""

from collections.abc import Mapping
from dataclasses import fields
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from modules.core.parameters import HiresFix, Img2Img, Inpaint, Txt2Img
from modules.core.settings import PictureFormatName, setting_names
from modules.imaging.generation_fields import GROUP, KEY, KIND, GenerationFields
from modules.imaging.infotext import NEGATIVE, read_infotext
from modules.imaging.infotext_civitai import read_any_infotext
from modules.imaging.infotext_fields import generation_fields, infotext_pairs, without_defaults, write_generation
from modules.imaging.infotext_request import request_from_infotext
from modules.imaging.infotext_styles import extract_styles
from modules.imaging.infotext_upgrade import upgrade_infotext
from modules.imaging.metadata import read_generation_text, read_parameters
from modules.imaging.save_formats import PictureFormat, encode_picture
from modules.prompting.styles import Style, apply_styles
from tests.properties import examples, kept, texts_of

KEYS = [
    entry.metadata[KEY]
    for group in (GenerationFields, *(one.metadata[GROUP] for one in fields(GenerationFields) if GROUP in one.metadata))
    for entry in fields(group)
    if KEY in entry.metadata
]
PIECES = [
    *'aZ9 ,:"\\{}[]()<>|\n\r\t\0\x0b-_/#=é日😀\u2028\x85\ud83d',
    *[", ", ": ", '\\"', '",', "12x34", "Steps: 5", ", Seed: ", "Negative prompt:", "True", "None", "1e5", "9" * 400],
    *['Hashes: {"model": "abc"}', "Lora hashes: ", "{}", '["a", 1]', "Version: v1.5.2", "Hypernet: x"],
    *["一" * 100, "Size: 512x768, ", "First pass size: 0x0", "Sampler: DPM++ 2M Karras, ", "Refiner: x", *KEYS],
]
"""What the format is made of, what may be taken for it, and what is hard to write."""

texts = texts_of(PIECES, most=15)
said = texts.filter(bool)

VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "text": said | st.sampled_from(KEYS),
    "whole": st.integers(-(10**20) + 1, 10**20 - 1),
    "number": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**20) + 1, 10**20 - 1),
    "flag": st.booleans(),
    "size": st.tuples(st.integers(0, 10**9 - 1), st.integers(0, 10**9 - 1)),
}

prompts = texts.map(lambda text: kept(text.replace(NEGATIVE, "")))


@st.composite
def groups(draw: st.DrawFn, group: type) -> Any:
    """Draw any values of a group of fields, at least one."""
    said = {entry.name: VALUES[entry.metadata[KIND]] for entry in fields(group) if KEY in entry.metadata}
    return group(**draw(st.fixed_dictionaries({}, optional=said).filter(bool)))


@st.composite
def generations(draw: st.DrawFn) -> GenerationFields:
    """Draw any values of all fields. Three are always there, since fewer pairs are no parameters."""
    values: dict[str, st.SearchStrategy[Any]] = {}
    for entry in fields(GenerationFields):
        if KEY in entry.metadata:
            values[entry.name] = VALUES[entry.metadata[KIND]]
        elif GROUP in entry.metadata:
            values[entry.name] = groups(entry.metadata[GROUP])
    others: dict[str, st.SearchStrategy[str]] = dict.fromkeys(("Foo bar", "A-b/c", "_x", "Größe", "Size-3"), said)
    extra: st.SearchStrategy[dict[str, str]] = st.fixed_dictionaries({}, optional=others)
    always = {"steps": VALUES["whole"], "sampler": VALUES["text"], "seed": VALUES["whole"]}
    optional = {name: strategy for name, strategy in values.items() if name not in always}
    drawn = draw(st.fixed_dictionaries(always, optional=optional))
    return GenerationFields(prompt=draw(prompts), negative_prompt=draw(prompts), extra=draw(extra), **drawn)


@given(generations())
@examples(200)
def test_what_is_written_is_read_back(generation: GenerationFields) -> None:
    assert generation_fields(read_infotext(write_generation(generation))) == generation


@given(generations())
@examples(60)
def test_what_goes_without_saying_is_left_out_once(generation: GenerationFields) -> None:
    without, pairs = without_defaults(generation), infotext_pairs(generation)
    assert without_defaults(without) == without
    assert all(value is None or value == pairs[key] for key, value in infotext_pairs(without).items())


FORMATS: list[PictureFormatName] = ["png", "jpg", "webp", "avif"]


@pytest.mark.parametrize("name", FORMATS)
@given(generations())
@examples(25)
def test_every_format_carries_every_text(name: PictureFormatName, generation: GenerationFields) -> None:
    # Halves of surrogate pairs, which no file can hold, become question marks: requests have none.
    text = write_generation(generation).encode("utf-8", "replace").decode("utf-8")
    encoded = encode_picture(Image.new("RGB", (8, 8)), text, PictureFormat(name=name))
    assert encoded.carries_infotext
    assert read_parameters(encoded.data) == text


@st.composite
def lines(draw: st.DrawFn) -> str:
    """Draw what looks like an infotext: prompts, and pairs of which some are known."""
    key = st.sampled_from(KEYS) | texts
    value = st.sampled_from(["1", "7.5", "True", "512x768", '"a, b"', "Euler a", "nan", "9" * 400]) | texts
    pairs = draw(st.lists(st.tuples(key, value), max_size=12))
    return "\n".join((draw(texts), ", ".join(f"{key}: {value}" for key, value in pairs)))


@given(texts | lines())
@examples(300)
def test_no_infotext_raises(text: str) -> None:
    asked = request_from_infotext(text)
    assert asked.common.keys() <= Txt2Img.model_fields.keys()
    assert asked.settings.keys() <= setting_names()
    assert (asked.hires or {}).keys() <= HiresFix.model_fields.keys()
    assert (asked.inpaint or {}).keys() <= Inpaint.model_fields.keys()
    assert asked.img2img.keys() <= Img2Img.model_fields.keys()
    assert all(isinstance(value, str) for value in upgrade_infotext(read_any_infotext(text)).values())
    assert read_generation_text(text.encode("utf-8", "surrogatepass")) in (text, None)


@pytest.mark.timeout(60)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("".join), texts)
@examples(15)
def test_the_longest_infotexts_end_soon(unit: str, before: str) -> None:
    assert request_from_infotext(before[:50] + unit * (250_000 // len(unit)))


words = st.text("ab ,()", max_size=8).map(str.strip).filter(bool)  # of blanks at the ends styles keep nothing


@st.composite
def styles(draw: st.DrawFn) -> list[Style]:
    """Draw styles that can be told apart. Whether a style is in a prompt that ends like it by chance, nobody knows."""
    return [
        Style(
            name=f"style {number}",
            prompt=draw(st.sampled_from(["{number} {words}", "{number} {words} {{prompt}} {number}"])).format(
                number=number, words=draw(words)
            ),
            negative_prompt=draw(st.sampled_from(["", "not {number}", "{{prompt}} {number}"])).format(number=number),
        )
        for number in range(draw(st.integers(0, 4)))
    ]


@given(words, words, styles(), st.randoms())
@examples(150)
def test_styles_that_were_merged_are_found(prompt: str, negative: str, saved: list[Style], chance: Random) -> None:
    chosen = chance.sample(saved, len(saved) // 2)
    merged = apply_styles(prompt, [style.prompt for style in chosen])
    merged_negative = apply_styles(negative, [style.negative_prompt for style in chosen])
    found = extract_styles(saved, merged, merged_negative)
    assert found == (tuple(style.name for style in chosen), prompt, negative)
