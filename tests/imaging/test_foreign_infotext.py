"""Pictures of InvokeAI, Fooocus, NovelAI and Draw Things, and of nobody in particular."""

import html
import json
import time
from typing import Any

import pytest

from modules.imaging import foreign_invoke, foreign_novelai
from modules.imaging.foreign_infotext import foreign_infotext
from modules.imaging.foreign_recipe import ForeignRecipe
from modules.imaging.infotext import read_infotext

INVOKE: dict[str, Any] = {
    "app_version": "4.2.7",
    "generation_mode": "sdxl_txt2img",
    "positive_prompt": "a (red fox)1.3 in the snow++, (quiet)",
    "negative_prompt": "blurry--",
    "width": 1024,
    "height": 832,
    "seed": 123456,
    "rand_device": "cpu",
    "cfg_scale": 7.5,
    "cfg_rescale_multiplier": 0,
    "steps": 30,
    "scheduler": "dpmpp_2m_sde_k",
    "clip_skip": 1,
    "model": {"key": "a", "hash": "blake3:b", "name": "juggernaut XL v9", "base": "sdxl", "type": "main"},
    "vae": None,
    "loras": [{"model": {"key": "c", "name": "snow", "base": "sdxl", "type": "lora"}, "weight": 0.75}],
    "controlnets": [{"control_model": {"name": "canny"}}],
    "seamless_x": False,
}
FOOOCUS: dict[str, Any] = {
    "adm_guidance": "(1.5, 0.8, 0.3)",
    "base_model": "juggernautXL_v8Rundiffusion",
    "base_model_hash": "aeb7e9e689",
    "clip_skip": 2,
    "created_by": None,
    "full_negative_prompt": ["(worst quality:1.2)", "ugly"],
    "full_prompt": ["cinematic still a lighthouse", "a lighthouse, intricate, vivid"],
    "guidance_scale": 4.0,
    "loras": [["sd_xl_offset_example-lora_1.0.safetensors", 0.1, "4852686128"]],
    "metadata_scheme": "fooocus",
    "negative_prompt": "",
    "performance": "Speed",
    "prompt": "a lighthouse",
    "prompt_expansion": "a lighthouse, intricate, vivid",
    "refiner_model": "None",
    "refiner_switch": 0.5,
    "resolution": "(1152, 896)",
    "sampler": "dpmpp_2m_sde_gpu",
    "scheduler": "karras",
    "seed": "8113446587153041346",
    "sharpness": 2.0,
    "steps": 30,
    "styles": "['Fooocus V2', 'Fooocus Enhance']",
    "vae": "Default (model)",
    "version": "Fooocus v2.5.5",
}
NOVELAI: dict[str, Any] = {
    "prompt": "{{best quality}}, 1girl (smile), [simple]",
    "steps": 28,
    "height": 1216,
    "width": 832,
    "scale": 5.0,
    "uncond_scale": 1.0,
    "cfg_rescale": 0.2,
    "seed": 987654321,
    "noise_schedule": "karras",
    "sampler": "k_euler_ancestral",
    "sm": True,
    "uc": "lowres, {bad}",
}


def recipe(**items: str) -> ForeignRecipe:
    found = foreign_infotext(items)
    assert found is not None
    return found


def fields(**items: str) -> dict[str, str]:
    return read_infotext(recipe(**items).infotext)


def ignored(found: ForeignRecipe) -> set[str]:
    return {row.source for row in found.rows if row.how == "ignored"}


def test_invoke() -> None:
    found = recipe(invokeai_metadata=json.dumps(INVOKE))
    assert found.infotext == (
        "a (red fox:1.3) in the (snow:1.21), quiet <lora:snow:0.75>\nNegative prompt: (blurry:0.81)\n"
        "Steps: 30, Sampler: DPM++ 2M SDE, Schedule type: Karras, CFG scale: 7.5, Seed: 123456, Size: 1024x832, "
        "Model: juggernaut XL v9, Clip skip: 2, RNG: CPU"
    )
    assert ignored(found) == {"controlnets"}


def test_invoke_3_0() -> None:
    said = INVOKE | {
        "model": {"model_name": "stable-diffusion-v1-5", "base_model": "sd-1", "model_type": "main"},
        "loras": [{"lora": {"model_name": "ink", "base_model": "sd-1"}, "weight": 1}],
        "scheduler": "euler",
    }
    read = fields(invokeai_metadata=json.dumps(said))
    assert (read["Model"], read["Sampler"], read["Schedule type"]) == ("stable-diffusion-v1-5", "Euler", "Uniform")
    assert read["Prompt"].endswith("<lora:ink:1>")


def test_invoke_2() -> None:
    image: dict[str, Any] = {
        "prompt": [{"prompt": "a castle [fog, trees] at dusk", "weight": 1.0}],
        "steps": 50,
        "cfg_scale": 7.5,
        "height": 512,
        "width": 704,
        "seed": 42,
        "seamless": False,
        "hires_fix": True,
        "sampler": "k_lms",
        "variations": [],
    }
    said = {
        "model": "stable diffusion",
        "model_weights": "stable-diffusion-1.5",
        "app_version": "2.3.0",
        "image": image,
    }
    found = recipe(**{"sd-metadata": json.dumps(said), "Dream": '"other" -s 1'})
    read = read_infotext(found.infotext)
    assert (read["Negative prompt"], read["Sampler"], read["Size-1"]) == ("fog, trees", "LMS", "704")
    assert read["Model"] == "stable-diffusion-1.5"
    assert ignored(found) == {"hires_fix"}


def test_invoke_dream() -> None:
    read = fields(Dream='"a "red" barn [rain]" -s 40 -S 1957 -W 512 -H 640 -C 8.5 -A k_euler_a -U 2 0.75')
    assert (read["Prompt"], read["Negative prompt"]) == ('a "red" barn', "rain")
    assert (read["Steps"], read["Seed"], read["CFG scale"]) == ("40", "1957", "8.5")
    assert (read["Sampler"], read["Size-1"], read["Size-2"]) == ("Euler a", "512", "640")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("a cat", "a cat"),
        ("a co-op, well-known", "a co-op, well-known"),
        ("cat+++", "(cat:1.331)"),
        ("(a cat)0.5, (a dog)--", "(a cat:0.5), (a dog:0.81)"),
        (r"\(literal\)", r"\(literal\)"),
    ],
)
def test_weights_of_compel(theirs: str, ours: str) -> None:
    assert foreign_invoke.our_prompt(theirs) == ours


def test_fooocus() -> None:
    found = recipe(parameters=json.dumps(FOOOCUS), fooocus_scheme="fooocus")
    assert found.infotext == (
        "cinematic still a lighthouse, a lighthouse, intricate, vivid <lora:sd_xl_offset_example-lora_1.0:0.1>\n"
        "Negative prompt: (worst quality:1.2), ugly\n"
        "Steps: 30, Sampler: DPM++ 2M SDE, Schedule type: Karras, CFG scale: 4.0, Seed: 8113446587153041346, "
        "Size: 1152x896, Model hash: aeb7e9e689, Model: juggernautXL_v8Rundiffusion, Clip skip: 2, RNG: CPU"
    )
    assert {"styles", "sharpness", "adm_guidance"} <= ignored(found)


def test_fooocus_before_2_2_and_in_jpeg() -> None:
    said = {key: value for key, value in FOOOCUS.items() if key not in ("loras", "full_prompt", "full_negative_prompt")}
    said |= {"lora_combined_1": "some : lora.safetensors : 0.4"}
    read = fields(**{"exif comment": json.dumps(said)})
    assert read["Prompt"] == "a lighthouse"  # a prompt cannot say this file's name
    said |= {"lora_combined_1": "some-lora.safetensors : 0.4"}
    assert fields(**{"exif comment": json.dumps(said)})["Prompt"] == "a lighthouse <lora:some-lora:0.4>"


def test_fooocus_in_a1111s_scheme_is_an_infotext() -> None:
    text = "a cat\nNegative prompt: dog\nSteps: 30, Sampler: DPM++ 2M SDE Karras, Seed: 1, Version: Fooocus v2.5.5"
    assert foreign_infotext({"parameters": text, "fooocus_scheme": "a1111"}) is None


def test_novelai() -> None:
    found = recipe(Software="NovelAI", Description="other", Comment=json.dumps(NOVELAI), Source="Stable Diffusion XL")
    assert found.infotext == (
        "(best quality:1.103), 1girl \\(smile\\), (simple:0.952)\nNegative prompt: lowres, (bad:1.05)\n"
        "Steps: 28, Sampler: Euler a, Schedule type: Karras, CFG scale: 5.0, Seed: 987654321, Size: 832x1216, "
        "Clip skip: 2, ENSD: 31337"
    )
    assert ignored(found) == {"cfg_rescale", "sm"}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("plain", "plain"),
        ("{a {b}}", "(a:1.05) (b:1.103)"),
        ("1.5::rain, fog::, sun", "(rain, fog:1.5), sun"),
        ("-1::hat::", "(hat:-1)"),
        ("{open", "(open:1.05)"),
        ("closed}", "closed"),
    ],
)
def test_emphasis_of_novelai(theirs: str, ours: str) -> None:
    assert foreign_novelai.our_prompt(theirs) == ours


def test_draw_things() -> None:
    said = {
        "c": 'a "tall" tree',
        "uc": "low quality",
        "lora": [{"model": "bark_lora_f16.ckpt", "weight": 0.6}],
        "model": "sd_xl_base_1.0_f16.ckpt",
        "sampler": "DPM++ 2M Karras",
        "scale": 7.5,
        "seed": 777,
        "size": "768x1024",
        "steps": 25,
        "strength": 1,
    }
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description><xmp:CreatorTool>Draw Things</xmp:CreatorTool>'
        f'<exif:UserComment><rdf:Alt><rdf:li xml:lang="x-default">{html.escape(json.dumps(said))}</rdf:li></rdf:Alt>'
        "</exif:UserComment></rdf:Description></x:xmpmeta>"
    )
    assert recipe(**{"XML:com.adobe.xmp": packet}).infotext == (
        'a "tall" tree <lora:bark_lora_f16:0.6>\nNegative prompt: low quality\n'
        "Steps: 25, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 777, Size: 768x1024, "
        "Model: sd_xl_base_1.0_f16"
    )


def test_a_picture_of_nobody() -> None:
    assert foreign_infotext({}) is None
    assert foreign_infotext({"Software": "GIMP", "Comment": "{}", "prompt": "a cat", "workflow": "[]"}) is None


# hostile texts

SELF: dict[str, Any] = {
    "class_type": "KSampler",
    "inputs": {name: ["1", 0] for name in ("model", "positive", "negative", "latent_image")},
}
ALL_LINKED = {
    str(number): {
        "class_type": "KSampler",
        "inputs": {"latent_image": [str(number + 1), 0]}
        | {f"conditioning_{other}": [str((number * 7 + other) % 2500), 0] for other in range(60)},
    }
    for number in range(2500)
}
TREE = {
    str(number): {
        "class_type": "ConditioningCombine",
        "inputs": {"conditioning_1": [str(number + 1), 0], "conditioning_2": [str(number + 1), 0]},
    }
    for number in range(1, 300)
} | {"0": {"class_type": "KSampler", "inputs": {"positive": ["1", 0], "latent_image": ["1", 0], "steps": 3}}}
WRONG: list[Any] = [None, True, -1, 1e308, 10**400, "", "x" * 10_000, [], [[]], {}, {"a": {}}, ["1", "0"], [None, 0]]

HOSTILE: list[object] = [
    "[" * 100_000,
    '{"1":' * 50_000,
    {"1": SELF},
    {"1": SELF, "2": {**SELF, "class_type": "SaveImage"}},
    ALL_LINKED,
    TREE,
    {"1": None, "2": [], "3": {"class_type": 3, "inputs": 4}},
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("name", ["prompt", "workflow", "invokeai_metadata", "sd-metadata", "parameters", "Dream"])
def test_hostile_texts_do_no_harm(name: str, text: object) -> None:
    begin = time.perf_counter()
    foreign_infotext({name: text if isinstance(text, str) else json.dumps(text)})
    assert time.perf_counter() - begin < 10


@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
def test_wrong_types_do_no_harm(wrong: object) -> None:
    for name, said in (("invokeai_metadata", INVOKE), ("parameters", FOOOCUS)):
        for key in said:
            foreign_infotext({name: json.dumps(said | {key: wrong})})
    for key in NOVELAI:
        foreign_infotext({"Software": "NovelAI", "Description": "", "Comment": json.dumps(NOVELAI | {key: wrong})})
    for key in ("seed", "steps", "cfg", "sampler_name", "model", "positive", "latent_image", "denoise"):
        inputs = SELF["inputs"] | {"seed": 1, "steps": 2, "cfg": 3, "sampler_name": "euler", key: wrong}
        foreign_infotext({"prompt": json.dumps({"1": {"class_type": "KSampler", "inputs": inputs}})})
    for key in ("nodes", "links"):
        foreign_infotext({"workflow": json.dumps({"nodes": [{"id": 1, "type": "KSampler"}], "links": [], key: wrong})})
