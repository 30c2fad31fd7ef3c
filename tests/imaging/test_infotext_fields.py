import re
from dataclasses import replace
from typing import Any

import pytest

from modules.imaging.generation_fields import (
    GenerationFields,
    HiresFields,
    MaskFields,
    SamplingFields,
    SoftInpaintingFields,
)
from modules.imaging.infotext import read_infotext
from modules.imaging.infotext_fields import generation_fields, infotext_pairs, without_defaults, write_generation
from tests.imaging.recordings import recorded

WRITTEN = recorded("infotext_written")["texts"]
CREATED = recorded("infotext_created")["cases"]

SCHEDULE = re.compile(r", Schedule type: \w+")


def in_order_of_1_10(text: str) -> str:
    """Return an infotext of A1111 1.8 with the schedule type where 1.10 writes it."""
    found = SCHEDULE.search(text)
    return text if found is None else SCHEDULE.sub("", text).replace(", CFG scale", f"{found[0]}, CFG scale", 1)


@pytest.mark.parametrize("text", WRITTEN, ids=lambda text: text[text.index("Seed") :][:90])
def test_what_a1111_wrote_is_read_and_written_again(text: str) -> None:
    read = generation_fields(read_infotext(text))
    assert write_generation(read) == in_order_of_1_10(text)
    assert without_defaults(read) == read


def created(case: Any) -> GenerationFields:
    """Return everything there is to say of a case of `create_infotext`."""
    p, options = CREATED[0]["p"] | case["p"], CREATED[0]["opts"] | case["opts"]
    return GenerationFields(
        prompt=case["prompt"],
        negative_prompt=case["negative_prompt"],
        steps=p["steps"],
        sampler=p["sampler_name"],
        cfg_scale=p["cfg_scale"],
        seed=case["seed"],
        size=(p["width"], p["height"]),
        model_hash=p["sd_model_hash"] if options["add_model_hash_to_info"] else None,
        model=p["sd_model_name"] if options["add_model_name_to_info"] else None,
        fp8_weight=options["fp8_storage"] if case["fp8"] else None,
        cache_fp16_weight=options["cache_fp16_weight"],
        subseed=case["subseed"],
        subseed_strength=p["subseed_strength"],
        seed_resize_from=(p["seed_resize_from_w"], p["seed_resize_from_h"]),
        clip_skip=p.get("clip_skip", options["CLIP_stop_at_last_layers"]),
        token_merging_ratio=case["token_merging_ratio"],
        token_merging_ratio_hr=case["token_merging_ratio_hr"],
        rng=options["randn_source"],
        s_min_uncond=p["s_min_uncond"],
        tiling=p["tiling"],
        hires=HiresFields() if p.get("enable_hr") else None,
        extra=case["extra"],
        version=case["version"] if options["add_version_to_infotext"] else None,
    )


@pytest.mark.parametrize("case", CREATED, ids=lambda case: case["desc"])
def test_writes_what_a1111_writes(case: Any) -> None:
    # 1.8 wrote the schedule type, which it called an extra parameter, after all others.
    assert write_generation(without_defaults(created(case))) == in_order_of_1_10(case["text"])


def test_flags_and_numbers_keep_their_form() -> None:
    said = GenerationFields(steps=20, cfg_scale=7.0, seed=2**63 - 1, size=(512, 768), tiling=True, extra={"A B": 1.50})
    assert infotext_pairs(said)["CFG scale"] == 7.0
    text = "Steps: 20, CFG scale: 7.0, Seed: 9223372036854775807, Size: 512x768, Tiling: True, A B: 1.5"
    assert write_generation(said) == text
    assert write_generation(generation_fields(read_infotext(text))) == text
    assert generation_fields(read_infotext("Steps: 20, CFG scale: 7, Seed: 5")).cfg_scale == 7


@pytest.mark.parametrize(
    "pair",
    [
        ("Steps", "many"),
        ("Steps", "2.5"),
        ("Steps", "9" * 5000),
        ("CFG scale", "nan"),
        ("CFG scale", "1e999"),
        ("CFG scale", "7,5"),
        ("Tiling", "true"),
        ("Size", "512X768"),
        ("Size-1", "9" * 5000),
        ("Seed", "٣"),
        ("Foo", "bar"),
    ],
)
def test_what_is_not_understood_is_kept(pair: tuple[str, str]) -> None:
    read = generation_fields(dict([pair]))
    assert read.extra == dict([pair])
    assert write_generation(read) == write_generation(GenerationFields(extra=dict([pair])))


def test_texts_that_look_like_sizes_are_whole_again() -> None:
    read = generation_fields(read_infotext("p\nSteps: 20, Model: 512x768, Hires prompt: 1x2, Foo: 03x4, Size: 8x16"))
    assert (read.model, read.size, read.extra) == ("512x768", (8, 16), {"Foo": "03x4"})
    assert read.hires == HiresFields(prompt="1x2")


EVERYTHING = GenerationFields(
    prompt="a (cat)",
    steps=20,
    sampler="Euler",
    scheduler="Automatic",
    seed=5,
    size=(512, 512),
    subseed=7,
    subseed_strength=0.0,
    seed_resize_from=(0, 512),
    denoising_strength=0.0,
    clip_skip=1,
    ensd=0,
    token_merging_ratio=0.0,
    token_merging_ratio_hr=0.0,
    rng="GPU",
    s_min_uncond=0.0,
    tiling=False,
    soft=SoftInpaintingFields(enabled=False, schedule_bias=1),
    hires=HiresFields(
        sampler="Euler",
        scheduler="Automatic",
        prompt="a (cat)",
        negative_prompt="",
        scale=2.0,
        size=(0, 0),
        steps=0,
        upscaler="Latent",
    ),
    mask=MaskFields(mode="Inpaint masked", blur=4, area="Whole picture", padding=32, content="original"),
    initial_noise_multiplier=1.0,
    extra_noise=0.0,
    downcast_alphas=False,
    noise_schedule="Default",
    emphasis="Original",
    old_timelines=False,
    refiner_switch_at=0.8,
    refiner_by_sample_steps=True,
    sampling=SamplingFields(eta=1.0, eta_ddim=0.0, s_noise=1.0, s_churn=0.0, sigma_min=0.0, pad_conds=False),
    version="v1.10.1",
)


def test_defaults_are_left_out() -> None:
    assert write_generation(without_defaults(EVERYTHING)) == (
        "a (cat)\nSteps: 20, Sampler: Euler, Schedule type: Automatic, Seed: 5, Size: 512x512, "
        "Denoising strength: 0.0, Hires upscale: 2.0, Hires upscaler: Latent, Mask blur: 4, Version: v1.10.1"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"subseed_strength": 0.5}, "Variation seed: 7, Variation seed strength: 0.5"),
        ({"emphasis": "No norm"}, "Emphasis: No norm"),
        ({"refiner": "x [abc]"}, "Refiner: x [abc], Refiner switch at: 0.8, Refiner switch by sampling steps: True"),
        ({"hires": HiresFields(scale=2.0, size=(0, 768))}, "Hires resize: 0x768"),
        ({"hires": HiresFields(prompt="a dog", scale=2)}, "Hires prompt: a dog, Hires upscale: 2"),
        (
            {"mask": MaskFields(blur=0, area="Only masked", padding=0)},
            "Inpaint area: Only masked, Masked area padding: 0",
        ),
        ({"token_merging_ratio_hr": 0.5}, "Token merging ratio hr: 0.5"),
        ({"sampling": SamplingFields(eta=0.0)}, "Eta: 0.0"),
        ({"fp8_weight": "Enable", "cache_fp16_weight": False}, "FP8 weight: Enable, Cache FP16 weight for LoRA: False"),
        (
            {"soft": SoftInpaintingFields(enabled=True, mask_influence=0)},
            "Soft inpainting enabled: True, Soft inpainting mask influence: 0",
        ),
    ],
)
def test_what_is_no_default_is_said(changes: dict[str, Any], said: str) -> None:
    assert said in write_generation(without_defaults(replace(EVERYTHING, **changes)))


def test_emphasis_is_said_only_where_something_is_emphasised() -> None:
    plain = replace(EVERYTHING, prompt="a cat", hires=None, emphasis="None")
    assert without_defaults(plain).emphasis is None
    assert without_defaults(replace(plain, negative_prompt="[bad]")).emphasis == "None"
    assert without_defaults(replace(plain, hires=HiresFields(prompt="(x)"))).emphasis == "None"
