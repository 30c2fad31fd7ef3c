"""ComfyUI's graphs, in the forms that its own workflows have."""

import json
from typing import Any

import pytest

from modules.imaging.foreign_infotext import foreign_infotext
from modules.imaging.foreign_recipe import ForeignRecipe
from modules.imaging.infotext import read_infotext

Nodes = dict[str, Any]


def node(kind: str, **inputs: Any) -> Nodes:
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": kind}}


def sampler(**changes: Any) -> Nodes:
    inputs = {
        "seed": 156680208700286,
        "steps": 20,
        "cfg": 8,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1,
        "model": ["4", 0],
        "positive": ["6", 0],
        "negative": ["7", 0],
        "latent_image": ["5", 0],
    }
    return node("KSampler", **(inputs | changes))


def default_graph(**changes: Any) -> Nodes:
    return {
        "3": sampler(**changes),
        "4": node("CheckpointLoaderSimple", ckpt_name="SD1.5\\v1-5-pruned-emaonly.safetensors"),
        "5": node("EmptyLatentImage", width=512, height=768, batch_size=1),
        "6": node("CLIPTextEncode", text="a glass bottle, (galaxy:1.2)", clip=["4", 1]),
        "7": node("CLIPTextEncode", text="text, watermark", clip=["4", 1]),
        "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        "9": node("SaveImage", filename_prefix="ComfyUI", images=["8", 0]),
    }


def recipe(nodes: Nodes, **texts: str) -> ForeignRecipe:
    found = foreign_infotext({"prompt": json.dumps(nodes), **texts})
    assert found is not None
    assert found.program == "ComfyUI"
    return found


def fields(nodes: Nodes) -> dict[str, str]:
    return read_infotext(recipe(nodes).infotext)


def how(found: ForeignRecipe, target: str) -> list[str]:
    return [row.how for row in found.rows if row.target == target]


def test_the_default_workflow() -> None:
    found = recipe(default_graph(), workflow="{}")
    assert found.infotext == (
        "a glass bottle, (galaxy:1.2)\n"
        "Negative prompt: text, watermark\n"
        "Steps: 20, Sampler: Euler, Schedule type: Normal, CFG scale: 8.0, Seed: 156680208700286, Size: 512x768, "
        "Model: v1-5-pruned-emaonly, RNG: CPU"
    )
    assert how(found, "Sampler") == ["mapped"]
    assert how(found, "Seed") == ["approximated"]
    assert not [row for row in found.rows if row.how == "ignored"]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (("euler_ancestral", "karras"), ("Euler a", "Karras")),
        (("dpmpp_2m_sde_gpu", "sgm_uniform"), ("DPM++ 2M SDE", "SGM Uniform")),
        (("ddim", "ddim_uniform"), ("Euler", "DDIM")),
        (("dpmpp_2s_ancestral", "exponential"), ("DPM++ 2S a", "Exponential")),
    ],
)
def test_samplers_and_schedules(theirs: tuple[str, str], ours: tuple[str, str]) -> None:
    said = fields(default_graph(sampler_name=theirs[0], scheduler=theirs[1]))
    assert (said["Sampler"], said["Schedule type"]) == ours


def test_what_is_not_there_is_said_and_left_out() -> None:
    found = recipe(default_graph(sampler_name="seeds_3", scheduler="linear_quadratic"))
    assert "Sampler" not in read_infotext(found.infotext)
    assert [(row.source, row.value) for row in found.rows if row.how == "ignored"] == [
        ("sampler_name", "seeds_3"),
        ("scheduler", "linear_quadratic"),
    ]


def test_a_chain_of_loras_goes_into_the_prompt_from_the_checkpoint_on() -> None:
    nodes = default_graph(model=["11", 0])
    nodes["10"] = node(
        "LoraLoader",
        lora_name="a/first.safetensors",
        strength_model=0.8,
        strength_clip=0.8,
        model=["4", 0],
        clip=["4", 1],
    )
    nodes["11"] = node("LoraLoaderModelOnly", lora_name="second.safetensors", strength_model=1, model=["12", 0])
    nodes["12"] = node(
        "LoraLoader", lora_name="third.pt", strength_model=0.5, strength_clip=1.0, model=["10", 0], clip=["10", 1]
    )
    assert fields(nodes)["Prompt"].endswith("(galaxy:1.2) <lora:first:0.8> <lora:third:1:0.5> <lora:second:0:1>")


def test_a_lora_whose_name_would_end_its_tag_is_ignored() -> None:
    nodes = default_graph(model=["10", 0])
    nodes["10"] = node("LoraLoader", lora_name="a>b<lora:c", strength_model=1, strength_clip=1, model=["4", 0])
    found = recipe(nodes)
    assert "lora" not in found.infotext
    assert "LoraLoader" in [row.source for row in found.rows if row.how == "ignored"]


def test_power_lora_loader() -> None:
    nodes = default_graph(model=["10", 0])
    nodes["10"] = node(
        "Power Lora Loader (rgthree)",
        lora_1={"on": True, "lora": "x.safetensors", "strength": 0.7},
        lora_2={"on": False, "lora": "y.safetensors", "strength": 1},
        model=["4", 0],
    )
    assert fields(nodes)["Prompt"].endswith("<lora:x:0.7>")


def hires_graph(**upscale: Any) -> Nodes:
    nodes = default_graph()
    nodes["10"] = node(
        "LatentUpscaleBy", **{"upscale_method": "nearest-exact", "scale_by": 1.5, "samples": ["3", 0]} | upscale
    )
    nodes["11"] = sampler(
        seed=1, steps=14, denoise=0.5, sampler_name="dpmpp_2m", scheduler="simple", latent_image=["10", 0]
    )
    nodes["8"]["inputs"]["samples"] = ["11", 0]
    return nodes


def test_a_second_pass_over_enlarged_latents_is_hires_fix() -> None:
    said = fields(hires_graph())
    assert (said["Hires upscaler"], said["Hires upscale"]) == ("Latent (nearest-exact)", "1.5")
    assert (said["Hires steps"], said["Denoising strength"]) == ("14", "0.5")
    assert (said["Hires sampler"], said["Hires schedule type"]) == ("DPM++ 2M", "Simple")
    assert (said["Sampler"], said["Steps"], said["Size-2"]) == ("Euler", "20", "768")
    assert "Hires prompt" not in said


def test_a_second_pass_over_an_enlarged_picture_is_hires_fix_too() -> None:
    nodes = hires_graph()
    nodes["12"] = node("VAEDecode", samples=["3", 0], vae=["4", 2])
    nodes["13"] = node("UpscaleModelLoader", model_name="4x-UltraSharp.pth")
    nodes["14"] = node("ImageUpscaleWithModel", upscale_model=["13", 0], image=["12", 0])
    nodes["15"] = node("ImageScaleBy", upscale_method="area", scale_by=0.5, image=["14", 0])
    nodes["10"] = node("VAEEncode", pixels=["15", 0], vae=["4", 2])
    said = fields(nodes)
    assert (said["Hires upscaler"], said["Hires upscale"]) == ("4x-UltraSharp", "2.0")
    nodes["15"] = node(
        "ImageScale", upscale_method="lanczos", width=1024, height=1536, crop="disabled", image=["14", 0]
    )
    said = fields(nodes)
    assert (said["Hires resize-1"], said["Hires resize-2"]) == ("1024", "1536")
    assert "Hires upscale" not in said


def test_base_and_refiner() -> None:
    shared = {"add_noise": "enable", "steps": 25, "cfg": 8, "sampler_name": "euler", "scheduler": "normal"}
    nodes = default_graph()
    nodes["20"] = node("CheckpointLoaderSimple", ckpt_name="refiner.safetensors")
    links = {"positive": ["6", 0], "negative": ["7", 0]}
    nodes["3"] = node(
        "KSamplerAdvanced",
        **shared,
        **links,
        noise_seed=7,
        start_at_step=0,
        end_at_step=20,
        model=["4", 0],
        latent_image=["5", 0],
    )
    nodes["21"] = node(
        "KSamplerAdvanced",
        **shared,
        **links,
        noise_seed=0,
        start_at_step=20,
        end_at_step=10000,
        model=["20", 0],
        latent_image=["3", 0],
    )
    nodes["8"]["inputs"]["samples"] = ["21", 0]
    said = fields(nodes)
    assert (said["Model"], said["Refiner"], said["Refiner switch at"]) == ("v1-5-pruned-emaonly", "refiner", "0.8")
    assert (said["Seed"], said["Steps"]) == ("7", "25")


def test_custom_sampling() -> None:
    nodes = default_graph()
    nodes["3"] = node(
        "SamplerCustomAdvanced",
        noise=["30", 0],
        guider=["31", 0],
        sampler=["32", 0],
        sigmas=["33", 0],
        latent_image=["5", 0],
    )
    nodes["30"] = node("RandomNoise", noise_seed=42)
    nodes["31"] = node("CFGGuider", cfg=4.5, model=["4", 0], positive=["6", 0], negative=["7", 0])
    nodes["32"] = node("KSamplerSelect", sampler_name="heun")
    nodes["33"] = node("BasicScheduler", scheduler="beta", steps=30, denoise=1, model=["4", 0])
    said = fields(nodes)
    assert (said["Sampler"], said["Schedule type"], said["Steps"]) == ("Heun", "Beta", "30")
    assert (said["Seed"], said["CFG scale"], said["Negative prompt"]) == ("42", "4.5", "text, watermark")
    assert said["Prompt"] == "a glass bottle, (galaxy:1.2)"


def test_what_changes_the_model_is_named() -> None:
    nodes = default_graph(model=["70", 0])
    nodes["70"] = node("FreeU_V2", b1=1.3, b2=1.4, s1=0.9, s2=0.2, model=["71", 0])
    nodes["71"] = node("ModelSamplingDiscrete", sampling="v_prediction", zsnr=True, model=["4", 0])
    nodes["72"] = node("ControlNetLoader", control_net_name="depth.pth")
    nodes["73"] = node("ControlNetApplyAdvanced", control_net=["72", 0], positive=["6", 0], negative=["7", 0])
    nodes["3"]["inputs"] |= {"positive": ["73", 0], "negative": ["73", 1]}
    found = recipe(nodes)
    assert "Noise Schedule: Zero Terminal SNR" in found.infotext
    assert {row.source for row in found.rows if row.how == "ignored"} == {"FreeU_V2", "ControlNetLoader"}
    assert how(found, "Prompt") == how(found, "Negative prompt") == ["approximated"]


def test_values_that_come_from_other_nodes() -> None:
    nodes = default_graph(seed=["40", 0])
    nodes["40"] = node("Seed (rgthree)", seed=99)
    nodes["41"] = node("Reroute", text=["42", 0])
    nodes["42"] = node("PrimitiveString", value="from afar [x] embedding:EasyNegative.pt")
    nodes["6"]["inputs"]["text"] = ["41", 0]
    said = fields(nodes)
    assert said["Seed"] == "99"
    assert said["Prompt"] == r"from afar \[x\] EasyNegative"


def test_conditionings_that_are_put_together() -> None:
    nodes = default_graph(positive=["50", 0], negative=["52", 1])
    nodes["50"] = node("ConditioningCombine", conditioning_1=["6", 0], conditioning_2=["51", 0])
    nodes["51"] = node("CLIPTextEncode", text="a moon", clip=["53", 0])
    nodes["52"] = node("ControlNetApplyAdvanced", strength=1, positive=["6", 0], negative=["7", 0], image=["54", 0])
    nodes["53"] = node("CLIPSetLastLayer", stop_at_clip_layer=-2, clip=["4", 1])
    nodes["54"] = node("LoadImage", image="pose.png")
    found = recipe(nodes)
    said = read_infotext(found.infotext)
    assert said["Prompt"] == "a glass bottle, (galaxy:1.2)\nAND\na moon"
    assert (said["Negative prompt"], said["Clip skip"]) == ("text, watermark", "2")
    assert how(found, "Prompt") == ["approximated"]


def test_a_picture_that_it_began_with_is_named_and_ignored() -> None:
    nodes = default_graph(latent_image=["60", 0], denoise=0.6)
    nodes["60"] = node("VAEEncode", pixels=["61", 0], vae=["4", 2])
    nodes["61"] = node("LoadImage", image="photo.png", upload="image")
    found = recipe(nodes)
    assert ("LoadImage", "photo.png", "ignored") in [(row.source, row.value, row.how) for row in found.rows]
    assert "Denoising strength: 0.6" in found.infotext


def test_seeds_beyond_63_bits_are_the_same_negative_number() -> None:
    assert fields(default_graph(seed=2**64 - 2))["Seed"] == "-2"
    assert fields(default_graph(seed=2**63 - 1))["Seed"] == str(2**63 - 1)


WORKFLOW = {
    "nodes": [
        {
            "id": 3,
            "type": "KSampler",
            "mode": 0,
            "inputs": [
                {"name": "model", "link": 1},
                {"name": "positive", "link": 4},
                {"name": "negative", "link": 6},
                {"name": "latent_image", "link": 2},
            ],
            "widgets_values": [5, "randomize", 12, 6.5, "dpmpp_2m", "karras", 1],
        },
        {"id": 4, "type": "CheckpointLoaderSimple", "widgets_values": ["model.ckpt"]},
        {"id": 5, "type": "EmptyLatentImage", "widgets_values": [640, 512, 1]},
        {"id": 6, "type": "CLIPTextEncode", "widgets_values": ["a boat"], "inputs": [{"name": "clip", "link": 3}]},
        {"id": 7, "type": "CLIPTextEncode", "widgets_values": ["blurry"], "inputs": [{"name": "clip", "link": 5}]},
    ],
    "links": [
        [1, 4, 0, 3, 0, "MODEL"],
        [2, 5, 0, 3, 3, "LATENT"],
        [3, 4, 1, 6, 0, "CLIP"],
        [4, 6, 0, 3, 1, "CONDITIONING"],
        [5, 4, 1, 7, 0, "CLIP"],
        [6, 7, 0, 3, 2, "CONDITIONING"],
    ],
    "version": 0.4,
}


def test_a_graph_that_is_only_drawn() -> None:
    found = foreign_infotext({"workflow": json.dumps(WORKFLOW)})
    assert found is not None
    assert found.infotext == (
        "a boat\nNegative prompt: blurry\nSteps: 12, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, "
        "Seed: 5, Size: 640x512, Model: model, RNG: CPU"
    )


def test_an_infotext_beside_the_graph_goes_before_it() -> None:
    texts = {
        "prompt": json.dumps(default_graph()),
        "parameters": "a cat\nSteps: 20, Sampler: Euler, Seed: 1, Size: 8x8",
    }
    assert foreign_infotext(texts) is None
    assert foreign_infotext(texts | {"parameters": "a cat"}) is not None
