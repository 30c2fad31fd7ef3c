from typing import Any

import pytest

from modules.core.parameters import Img2Img, Inpaint, Picture, Txt2Img
from modules.core.settings import Settings, setting_names, with_changes
from modules.imaging import infotext_request
from modules.imaging.infotext_request import InfotextRequest, request_from_infotext
from modules.prompting.styles import Style
from tests.imaging.recordings import recorded

WRITTEN = recorded("infotext_written")["texts"]
PICTURE = Picture(data=b"picture")
HEAD = "a cat\nNegative prompt: bad\nSteps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 5"


def read(pairs: str, *, version: str = "v1.10.1") -> InfotextRequest:
    """Read an infotext with these pairs besides the usual ones."""
    return request_from_infotext(f"{HEAD}, {pairs}, Version: {version}")


@pytest.mark.parametrize("text", WRITTEN, ids=lambda text: text[text.index("Seed") :][:90])
def test_everything_is_in_the_words_of_requests_and_settings(text: str) -> None:
    asked = request_from_infotext(text)
    Txt2Img(**asked.txt2img())
    Img2Img(images=(PICTURE,), **asked.common, **asked.img2img)
    if asked.inpaint is not None:
        Inpaint(mask=PICTURE, **asked.inpaint)
    with_changes(Settings(), asked.settings)


def test_what_is_said_is_asked_for() -> None:
    asked = read(
        "Size: 512x768, Variation seed: 9, Variation seed strength: 0.25, Seed resize from: 640x480, NGMS: 2.5, "
        "Tiling: True, Refiner: x [abcdef0123], Refiner switch at: 0.6, Eta: 0.5"
    )
    assert asked.txt2img() == {
        "prompt": "a cat",
        "negative_prompt": "bad",
        "sampler": "Euler a",
        "scheduler": "Automatic",
        "steps": 20,
        "cfg_scale": 7,
        "seed": 5,
        "subseed": 9,
        "subseed_strength": 0.25,
        "seed_resize_from_width": 640,
        "seed_resize_from_height": 480,
        "width": 512,
        "height": 768,
        "eta": 0.5,
        "s_min_uncond": 2.5,
        "tiling": True,
        "refiner": {"checkpoint": "x [abcdef0123]", "switch_at": 0.6},
    }
    assert (asked.hires, asked.img2img, asked.inpaint, asked.not_understood) == (None, {}, None, {})


def test_hires_fix() -> None:
    asked = read(
        "Denoising strength: 0.4, Hires checkpoint: other [abc], Hires sampler: DPM++ 2M, Hires prompt: a dog, "
        "Hires negative prompt: ugly, Hires schedule type: Karras, Hires CFG Scale: 5, Hires upscale: 1.5, "
        "Hires steps: 15, Hires upscaler: Lanczos"
    )
    assert asked.txt2img()["hires"] == {
        "scale": 1.5,
        "upscaler": "Lanczos",
        "steps": 15,
        "denoising_strength": 0.4,
        "sampler": "DPM++ 2M",
        "scheduler": "Automatic",
        "prompt": "a dog",
        "negative_prompt": "ugly",
        "checkpoint": "other [abc]",
        "cfg_scale": 5,
    }
    same = read("Hires resize: 1024x0, Hires upscaler: Latent, Hires checkpoint: Use same checkpoint")
    assert same.hires == {"width": 1024, "height": 0, "upscaler": "Latent"}
    assert read("Denoising strength: 0.4, Hires prompt: a dog").hires is None


def test_hires_fix_before_1_0() -> None:
    asked = request_from_infotext("p\nSteps: 20, Sampler: Euler, Size: 1024x1536, First pass size: 0x0")
    assert (asked.common["width"], asked.common["height"]) == (448, 640)
    assert asked.hires == {"width": 1024, "height": 1536}
    assert asked.not_understood == {}


def test_inpainting() -> None:
    asked = read(
        "Denoising strength: 0.75, Image CFG scale: 1.5, Soft inpainting enabled: True, "
        "Soft inpainting mask influence: 0.5, Mask mode: Inpaint not masked, Mask blur: 8, Inpaint area: Only masked, "
        "Masked area padding: 16, Masked content: latent noise, Noise multiplier: 0.9"
    )
    assert asked.img2img == {"denoising_strength": 0.75, "image_cfg_scale": 1.5, "initial_noise_multiplier": 0.9}
    assert asked.inpaint == {
        "blur_x": 8,
        "blur_y": 8,
        "invert": True,
        "content": "latent noise",
        "only_masked": True,
        "padding": 16,
        "soft": {"mask_influence": 0.5},
    }
    odd = read("Inpaint area: Only masked, Masked content: clouds")
    assert odd.inpaint == {"blur_x": 0, "blur_y": 0, "invert": False, "only_masked": True}
    assert odd.not_understood == {"Masked content": "clouds"}


@pytest.mark.parametrize(
    ("pair", "name", "value"),
    [
        ("Clip skip: 2", "CLIP_stop_at_last_layers", 2),
        ("ENSD: 31337", "eta_noise_seed_delta", 31337),
        ("RNG: NV", "randn_source", "NV"),
        ("Conditional mask weight: 0.5", "inpainting_mask_weight", 0.5),
        ("Extra noise: 0.2", "img2img_extra_noise", 0.2),
        ("Downcast alphas_cumprod: True", "use_downcasted_alpha_bar", True),
        ("Noise Schedule: Zero Terminal SNR", "sd_noise_schedule", "Zero Terminal SNR"),
        ("Emphasis: No norm", "emphasis", "No norm"),
        ("Old prompt editing timelines: True", "use_old_scheduling", True),
        ("Refiner switch by sampling steps: True", "refiner_switch_by_sample_steps", True),
        ("Hires refiner: first pass", "hires_fix_refiner_pass", "first pass"),
        ("Discard penultimate sigma: True", "always_discard_next_to_last_sigma", True),
        ("Schedule min sigma: 0.1", "sigma_min", 0.1),
        ("Schedule max sigma: 10", "sigma_max", 10),
        ("Schedule rho: 5", "rho", 5),
        ("Beta schedule alpha: 0.7", "beta_dist_alpha", 0.7),
        ("SGM noise multiplier: True", "sgm_noise_multiplier", True),
        ("Sigma churn: 3", "s_churn", 3),
        ("Sigma tmin: 0.1", "s_tmin", 0.1),
        ("Sigma tmax: 9", "s_tmax", 9),
        ("Sigma noise: 1.05", "s_noise", 1.05),
        ("Pad conds: True", "pad_cond_uncond", True),
        ("Pad conds v0: True", "pad_cond_uncond_v0", True),
        ("NGMS all steps: True", "s_min_uncond_all", True),
        ("Skip Early CFG: 0.3", "skip_early_cond", 0.3),
        ("UniPC order: 2", "uni_pc_order", 2),
        ("Model: foo", "sd_model_checkpoint", "foo"),
        ("Model hash: abcdef0123", "sd_model_checkpoint", "abcdef0123"),
        ("Model hash: abcdef0123, Model: foo", "sd_model_checkpoint", "foo [abcdef0123]"),
        ('Hashes: {"model": "abcdef0123"}, Model: foo', "sd_model_checkpoint", "foo [abcdef0123]"),
    ],
)
def test_settings(pair: str, name: str, value: object) -> None:
    assert read("Tiling: False").settings.get(name) != value
    asked = read(pair)
    assert asked.settings[name] == value
    assert asked.not_understood == {}


def test_silence_means_a1111s_defaults() -> None:
    settings = read("Size: 512x512").settings
    assert {name: value for name, value in settings.items() if getattr(Settings(), name) != value} == {}
    silent = "CLIP_stop_at_last_layers eta_noise_seed_delta randn_source sigma_max s_churn s_noise eta_ancestral tiling"
    assert set(silent.split()) <= settings.keys()
    assert settings.keys() <= setting_names()
    assert "tiling" not in read("Tiling: True").settings  # the request says it


def test_a_prompt_alone_means_no_settings() -> None:
    assert request_from_infotext("just a prompt") == InfotextRequest(
        common={"prompt": "just a prompt", "negative_prompt": ""}
    )


def test_settings_that_there_are_not_are_not_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    def names() -> frozenset[str]:
        return frozenset({"sd_vae", "face_restoration", "face_restoration_model"})

    monkeypatch.setattr(infotext_request, "setting_names", names)
    asked = read("VAE: x.pt, Face restoration: CodeFormer, Clip skip: 2")
    assert asked.settings == {"sd_vae": "x.pt", "face_restoration_model": "CodeFormer", "face_restoration": True}
    assert asked.not_understood == {"Clip skip": "2"}


def test_what_nobody_knows_is_reported() -> None:
    asked = read('Script: X/Y/Z plot, X Values: "1, 2", Sampler: Bogus, Foo: 3x4')
    assert asked.not_understood == {"Script": "X/Y/Z plot", "X Values": "1, 2", "Sampler": "Bogus", "Foo": "3x4"}
    assert "sampler" not in asked.common
    assert read('Lora hashes: "a: b", TI hashes: "c: d", User: me, VAE hash: 12').not_understood == {}


@pytest.mark.parametrize(
    ("version", "switches"),
    [
        ("v1.5.2", {"use_old_scheduling", "use_downcasted_alpha_bar", "refiner_switch_by_sample_steps"}),
        ("v1.7.0", {"use_downcasted_alpha_bar", "refiner_switch_by_sample_steps"}),
        ("v1.8.0", {"refiner_switch_by_sample_steps"}),
        ("v1.9.0", set[str]()),
        ("Easel 0.1.0", set[str]()),
    ],
)
def test_old_pictures_are_read_as_their_version_meant_them(version: str, switches: set[str]) -> None:
    asked = request_from_infotext(
        f"a [b:c:0.5]\nSteps: 20, Sampler: DPM++ 2M, Seed: 1, Refiner: x, Refiner switch at: 0.8, Version: {version}"
    )
    assert {name for name, value in asked.settings.items() if value is True} == switches
    assert asked.common["scheduler"] == ("Uniform" if version.startswith(("v1.5", "v1.7", "v1.8")) else "Automatic")


def test_fields_to_take_no_notice_of() -> None:
    text = f"{HEAD}, Size: 512x768, Clip skip: 2, Model: foo"
    asked = request_from_infotext(text, skip=("Seed", "Size-1", "Clip skip", "Prompt", "Model", "ENSD"))
    assert asked.common.keys() == {"negative_prompt", "sampler", "scheduler", "steps", "cfg_scale"}
    assert not {"CLIP_stop_at_last_layers", "eta_noise_seed_delta", "sd_model_checkpoint"} & asked.settings.keys()


def test_styles_are_chosen_again() -> None:
    styles = [Style(name="oil", prompt="oil painting", negative_prompt="")]
    text = "a cat, oil painting\nSteps: 20, Sampler: Euler, Seed: 1"
    asked = request_from_infotext(text, styles=styles, styles_mode="Apply if any")
    assert (asked.common["prompt"], asked.common["styles"]) == ("a cat", ("oil",))
    assert "styles" not in request_from_infotext(text, styles=styles).common


@pytest.mark.parametrize("text", ["", "\n", ":", "a: b, c: d", "Steps: , Sampler: , Seed: ", '"', "\0", "x" * 300_000])
def test_no_text_raises(text: str) -> None:
    asked: Any = request_from_infotext(text)
    assert isinstance(asked.common["prompt"], str)
