"""What an infotext says, under A1111's keys, and what goes without saying."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from modules.core.parameters import HiresFix, Img2Img, Inpaint, Picture, Refiner, SoftInpainting, Txt2Img
from modules.core.samplers import find_sampler
from modules.core.settings import Settings, with_changes
from modules.families.base import ExtraChannels, LoadedModel
from modules.imaging.infotext_fields import infotext_pairs, without_defaults
from modules.library.checkpoints import CheckpointFile
from modules.pipeline.describe import Described, Subject, generation_fields, infotext, schedule_label
from modules.pipeline.passes import effective_eta
from modules.pipeline.prompts import PromptPair, Prompts
from modules.sampling.prediction import DiscreteNoise
from tests.sampling.recordings import alphas_cumprod

CAT = CheckpointFile(
    path=Path("cat.safetensors"), name="cat.safetensors", model_name="cat", sha256="0123456789abcdef" * 4
)
DOG = replace(CAT, name="sub/dog.safetensors", model_name="dog", sha256="fedcba9876543210" * 4)
PAIR = PromptPair(positive="a cat", negative="a dog")
SUBJECT = Subject(prompts=Prompts(first=PAIR, hires=PAIR), seed=7, subseed=9)
PLAIN = Described(size=(512, 768))
PICTURE = Picture(data=b"x")
EDIT = Img2Img(images=(PICTURE,), denoising_strength=0.75)
HIRES = Txt2Img(hires=HiresFix(denoising_strength=0.7))


def edit(**fields: Any) -> Img2Img:
    return EDIT.model_copy(update=fields)


def inpaint(**fields: Any) -> Img2Img:
    return edit(inpaint=Inpaint(mask=PICTURE, **fields))


def hires(**fields: Any) -> Txt2Img:
    return Txt2Img(sampler="Euler", hires=HiresFix(denoising_strength=0.7, **fields))


def model(channels: ExtraChannels | None = None) -> LoadedModel:
    """What the description wants to know of a model."""
    family = SimpleNamespace(align_your_steps=())
    noise = DiscreteNoise(alphas_cumprod("sd"))
    return cast("LoadedModel", SimpleNamespace(extra_channels=channels, noise=noise, family=family))


def written(
    request: Txt2Img | Img2Img,
    described: Described = PLAIN,
    subject: Subject = SUBJECT,
    channels: ExtraChannels | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Return the keys and values of the last line."""
    fields = generation_fields(request, Settings(**settings), CAT, model(channels), subject, described)
    return {key: value for key, value in infotext_pairs(without_defaults(fields)).items() if value is not None}


def test_fields_come_in_the_order_of_a1111() -> None:
    request = Txt2Img(sampler="Euler a", eta=0.5)
    fields = written(request, CLIP_stop_at_last_layers=2, eta_noise_seed_delta=31337, randn_source="CPU")
    assert list(fields) == [
        *("Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size", "Model hash", "Model"),
        *("Clip skip", "ENSD", "RNG", "Eta", "Version"),
    ]
    assert (fields["Steps"], fields["Sampler"], fields["CFG scale"], fields["Seed"]) == (20, "Euler a", 7.0, 7)
    assert (fields["Model hash"], fields["Model"], fields["Size"]) == ("0123456789", "cat", "512x768")


def test_the_whole_text() -> None:
    text = infotext(Txt2Img(), Settings(add_version_to_infotext=False), CAT, model(), SUBJECT, PLAIN)
    assert text == (
        "a cat\nNegative prompt: a dog\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 7, "
        "Size: 512x768, Model hash: 0123456789, Model: cat"
    )


def test_whole_numbers_are_written_as_such() -> None:
    soft = inpaint(soft=SoftInpainting()).model_copy(update={"denoising_strength": 1.0, "cfg_scale": 7.5})
    text = infotext(soft, Settings(s_tmax=8.0), CAT, model(), SUBJECT, PLAIN)
    assert "CFG scale: 7.5, " in text
    assert "Denoising strength: 1, " in text
    assert "Soft inpainting schedule bias: 1, Soft inpainting preservation strength: 0.5, " in text


@pytest.mark.parametrize("request_", [Txt2Img(), EDIT, HIRES, inpaint()])
def test_what_is_as_usual_is_not_written(request_: Txt2Img | Img2Img) -> None:
    usual = {"Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size", "Model hash", "Model", "Version"}
    second = {"Denoising strength", "Hires upscale", "Hires upscaler"}
    masked = {"Denoising strength", "Mask blur"}
    assert written(request_).keys() - usual in (set[str](), {"Denoising strength"}, second, masked)


SAID: list[tuple[Txt2Img | Img2Img, dict[str, Any], dict[str, Any]]] = [
    (Txt2Img(), {"CLIP_stop_at_last_layers": 2}, {"Clip skip": 2}),
    (Txt2Img(sampler="Euler a"), {"eta_noise_seed_delta": 5}, {"ENSD": 5}),
    (Txt2Img(), {"randn_source": "NV"}, {"RNG": "NV"}),
    (Txt2Img(), {"s_min_uncond": 1.5}, {"NGMS": 1.5}),
    (Txt2Img(s_min_uncond=2.5), {}, {"NGMS": 2.5}),
    (Txt2Img(), {"s_min_uncond_all": True}, {"NGMS all steps": True}),
    (Txt2Img(), {"skip_early_cond": 0.2}, {"Skip Early CFG": 0.2}),
    (Txt2Img(), {"tiling": True}, {"Tiling": True}),
    (Txt2Img(tiling=True), {}, {"Tiling": True}),
    (Txt2Img(subseed_strength=0.3), {}, {"Variation seed": 9, "Variation seed strength": 0.3}),
    (Txt2Img(seed_resize_from_width=64, seed_resize_from_height=96), {}, {"Seed resize from": "64x96"}),
    (Txt2Img(), {"use_downcasted_alpha_bar": True}, {"Downcast alphas_cumprod": True}),
    (Txt2Img(), {"sd_noise_schedule": "Zero Terminal SNR"}, {"Noise Schedule": "Zero Terminal SNR"}),
    (Txt2Img(), {"use_old_scheduling": True}, {"Old prompt editing timelines": True}),
    (Txt2Img(), {"always_discard_next_to_last_sigma": True}, {"Discard penultimate sigma": True}),
    (Txt2Img(), {"sgm_noise_multiplier": True}, {"SGM noise multiplier": True}),
    (Txt2Img(scheduler="Karras"), {"sigma_min": 0.1}, {"Schedule min sigma": 0.1}),
    (Txt2Img(scheduler="Karras"), {"sigma_max": 10.0}, {"Schedule max sigma": 10.0}),
    (Txt2Img(scheduler="Karras"), {"rho": 5.0}, {"Schedule rho": 5.0}),
    (Txt2Img(sampler="Euler a"), {"eta_ancestral": 0.5}, {"Eta": 0.5}),
    (Txt2Img(sampler="Euler a", eta=0.5), {}, {"Eta": 0.5}),
    (Txt2Img(sampler="DDIM"), {"eta_ddim": 0.5}, {"Eta DDIM": 0.5}),
    (Txt2Img(sampler="DDIM", eta=0.5), {}, {"Eta DDIM": 0.5}),
    (Txt2Img(sampler="Euler"), {"s_churn": 3.0}, {"Sigma churn": 3.0}),
    (Txt2Img(sampler="Euler"), {"s_tmin": 0.3}, {"Sigma tmin": 0.3}),
    (Txt2Img(sampler="Euler"), {"s_tmax": 8.0}, {"Sigma tmax": 8.0}),
    (Txt2Img(sampler="DPM++ SDE"), {"s_noise": 1.05}, {"Sigma noise": 1.05}),
    (EDIT, {"initial_noise_multiplier": 0.8}, {"Noise multiplier": 0.8}),
    (edit(initial_noise_multiplier=0.9), {"initial_noise_multiplier": 0.8}, {"Noise multiplier": 0.9}),
    (EDIT, {"img2img_extra_noise": 0.2}, {"Extra noise": 0.2}),
    (HIRES, {"img2img_extra_noise": 0.2}, {"Extra noise": 0.2}),
    (inpaint(blur_x=9, blur_y=9), {}, {"Mask blur": 9}),
    (inpaint(invert=True), {}, {"Mask mode": "Inpaint not masked"}),
    (inpaint(content="latent noise"), {}, {"Masked content": "latent noise"}),
    (inpaint(only_masked=True, padding=12), {}, {"Inpaint area": "Only masked", "Masked area padding": 12}),
    (hires(steps=9), {}, {"Hires steps": 9}),
    (hires(sampler="Heun"), {}, {"Hires sampler": "Heun"}),
    (hires(scheduler="Karras"), {}, {"Hires schedule type": "Karras"}),
    (hires(cfg_scale=3), {}, {"Hires CFG Scale": 3}),
]


@pytest.mark.parametrize(("request_", "settings", "said"), SAID)
def test_each_key(request_: Txt2Img | Img2Img, settings: dict[str, Any], said: dict[str, Any]) -> None:
    fields = written(request_, **settings)
    usual = written(EDIT if isinstance(request_, Img2Img) else Txt2Img(sampler=request_.sampler))
    assert said.items() <= fields.items()
    assert not said.keys() & usual.keys()


UNHEEDED: list[tuple[Txt2Img | Img2Img, dict[str, Any], str]] = [
    (Txt2Img(sampler="Euler"), {"eta_noise_seed_delta": 5}, "ENSD"),
    (Txt2Img(sampler="Euler a", eta=0), {"eta_noise_seed_delta": 5}, "ENSD"),
    (Txt2Img(sampler="Euler"), {"eta_ancestral": 0.5}, "Eta"),
    (Txt2Img(sampler="DDIM"), {"eta_ancestral": 0.5}, "Eta"),
    (Txt2Img(sampler="Euler a"), {"eta_ddim": 0.5}, "Eta DDIM"),
    (Txt2Img(sampler="Euler a"), {"s_churn": 3.0}, "Sigma churn"),
    (Txt2Img(sampler="Euler a"), {"s_tmin": 0.3}, "Sigma tmin"),
    (Txt2Img(sampler="Euler a"), {"s_tmax": 8.0}, "Sigma tmax"),
    (Txt2Img(sampler="LMS"), {"s_noise": 1.05}, "Sigma noise"),
    (Txt2Img(sampler="DDIM"), {"sgm_noise_multiplier": True}, "SGM noise multiplier"),
    (EDIT, {"sgm_noise_multiplier": True}, "SGM noise multiplier"),
    (Txt2Img(), {"img2img_extra_noise": 0.2}, "Extra noise"),
    (Txt2Img(), {"initial_noise_multiplier": 0.8}, "Noise multiplier"),
    (Txt2Img(seed_resize_from_width=64), {}, "Seed resize from"),
    (Txt2Img(), {"inpainting_mask_weight": 0.5}, "Conditional mask weight"),
    (Txt2Img(), {"hires_fix_refiner_pass": "both passes"}, "Hires refiner"),
    (inpaint(only_masked=False, padding=12), {}, "Masked area padding"),
    (inpaint(blur_x=9, blur_y=3), {}, "Mask blur"),
    (Txt2Img(), {"emphasis": "No norm"}, "Emphasis"),
    (Txt2Img(), {"pad_cond_uncond": True}, "Pad conds"),
    (Txt2Img(), {"pad_cond_uncond_v0": True}, "Pad conds v0"),
]


@pytest.mark.parametrize(("request_", "settings", "key"), UNHEEDED)
def test_what_had_no_effect_is_not_said(request_: Txt2Img | Img2Img, settings: dict[str, Any], key: str) -> None:
    assert key not in written(request_, **settings)


def test_denoising_strength_is_that_of_the_picture_or_of_the_second_pass() -> None:
    assert "Denoising strength" not in written(Txt2Img())
    assert written(edit(denoising_strength=0.4))["Denoising strength"] == 0.4
    assert written(Txt2Img(hires=HiresFix(denoising_strength=0.3)))["Denoising strength"] == 0.3


def test_emphasis_is_said_where_a_prompt_could_weigh_words() -> None:
    weighs = PromptPair(positive="a (cat)", negative="")
    subject = replace(SUBJECT, prompts=Prompts(first=weighs, hires=weighs))
    assert written(Txt2Img(), subject=subject, emphasis="No norm")["Emphasis"] == "No norm"
    assert "Emphasis" not in written(Txt2Img(), subject=subject)


def test_what_was_padded_is_said() -> None:
    padded = replace(SUBJECT, padded=True)
    assert written(Txt2Img(), subject=padded, pad_cond_uncond=True)["Pad conds"] is True
    both = written(Txt2Img(), subject=padded, pad_cond_uncond=True, pad_cond_uncond_v0=True)
    assert both["Pad conds v0"] is True
    assert "Pad conds" not in both


def test_the_second_pass_says_a_factor_or_a_size() -> None:
    by_factor = written(hires(scale=1.5, upscaler="Lanczos"))
    assert (by_factor["Hires upscale"], by_factor["Hires upscaler"]) == (1.5, "Lanczos")
    assert "Hires resize" not in by_factor
    by_size = written(hires(width=96), Described(size=(64, 64), hires_size=(96, 0)))
    assert by_size["Hires resize"] == "96x0"
    assert "Hires upscale" not in by_size


def test_the_second_pass_says_its_own_prompts_and_checkpoint() -> None:
    own = Prompts(first=PAIR, hires=PromptPair(positive="a bird", negative="ugly"))
    fields = written(hires(), replace(PLAIN, hires_checkpoint=DOG), replace(SUBJECT, prompts=own))
    assert (fields["Hires prompt"], fields["Hires negative prompt"]) == ("a bird", "ugly")
    assert fields["Hires checkpoint"] == "sub/dog.safetensors [fedcba9876]"
    assert not written(hires()).keys() & {"Hires prompt", "Hires negative prompt", "Hires checkpoint"}


def test_a_refiner_is_named_with_its_hash() -> None:
    refined, described = Txt2Img(refiner=Refiner(checkpoint="dog", switch_at=0.6)), replace(PLAIN, refiner=DOG)
    fields = written(refined, described)
    assert (fields["Refiner"], fields["Refiner switch at"]) == ("dog [fedcba9876]", 0.6)
    assert not fields.keys() & {"Refiner switch by sampling steps", "Hires refiner"}
    by_steps = written(refined, described, refiner_switch_by_sample_steps=True)
    assert by_steps["Refiner switch by sampling steps"] is True
    second = refined.model_copy(update={"hires": HiresFix()})
    assert written(second, described, hires_fix_refiner_pass="both passes")["Hires refiner"] == "both passes"


def test_soft_inpainting_says_all_that_it_was_set_to() -> None:
    fields = written(inpaint(soft=SoftInpainting(mask_influence=0.5)))
    assert {key: value for key, value in fields.items() if key.startswith("Soft")} == {
        "Soft inpainting enabled": True,
        "Soft inpainting schedule bias": 1.0,
        "Soft inpainting preservation strength": 0.5,
        "Soft inpainting transition contrast boost": 4.0,
        "Soft inpainting mask influence": 0.5,
        "Soft inpainting difference threshold": 0.5,
        "Soft inpainting difference contrast": 2.0,
    }


def test_models_with_extra_channels_say_how_they_were_shown_what() -> None:
    assert written(EDIT, channels="mask", inpainting_mask_weight=0.5)["Conditional mask weight"] == 0.5
    assert written(Txt2Img(), channels="mask")["Conditional mask weight"] == 1.0
    assert written(edit(image_cfg_scale=1.2), channels="picture")["Image CFG scale"] == 1.2
    assert "Image CFG scale" not in written(edit(image_cfg_scale=1.2))


@pytest.mark.parametrize(
    ("setting", "field"),
    [
        ("add_model_name_to_info", "Model"),
        ("add_model_hash_to_info", "Model hash"),
        ("add_version_to_infotext", "Version"),
    ],
)
def test_settings_leave_fields_out(setting: str, field: str) -> None:
    assert field in written(Txt2Img())
    without: dict[str, Any] = {setting: False}
    assert field not in written(Txt2Img(), **without)


@pytest.mark.parametrize(
    ("sampler", "scheduler", "label"),
    [
        ("DPM++ 2M", "Automatic", "Karras"),
        ("Euler", "Automatic", "Automatic"),
        ("Euler", "Karras", "Karras"),
        ("DPM++ 2M", "Uniform", "Uniform"),
    ],
)
def test_schedule_type_says_what_automatic_meant(sampler: str, scheduler: str, label: str) -> None:
    assert schedule_label(Settings(), sampler, scheduler) == label


def test_the_schedule_type_of_old_versions_replaces_the_requests() -> None:
    settings = with_changes(Settings(), {"k_sched_type": "exponential"})
    assert schedule_label(settings, "DPM++ 2M", "Karras") == "Exponential"


def test_eta_of_the_request_wins() -> None:
    settings = Settings(eta_ancestral=0.25, eta_ddim=0.5)
    euler, ddim = (find_sampler(name) for name in ("Euler a", "DDIM"))
    assert (effective_eta(Txt2Img(), settings, euler), effective_eta(Txt2Img(), settings, ddim)) == (0.25, 0.5)
    assert effective_eta(Txt2Img(eta=0), settings, euler) == 0
