from dataclasses import fields

from modules.imaging.generation_fields import GROUP, KEY, GenerationFields


def keys() -> list[str]:
    """Return all keys in the order in which they are written."""
    found: list[str] = []
    for entry in fields(GenerationFields):
        group = entry.metadata.get(GROUP)
        found += [part.metadata[KEY] for part in (fields(group) if group else [entry]) if KEY in part.metadata]
    return found


def test_every_key_is_there_once() -> None:
    assert len(keys()) == len(set(keys()))


def test_the_order_is_that_of_a1111() -> None:
    order = (
        "Steps, Sampler, Schedule type, CFG scale, Image CFG scale, Seed, Face restoration, Size, Model hash, Model, "
        "FP8 weight, Cache FP16 weight for LoRA, VAE hash, VAE, Variation seed, Variation seed strength, "
        "Seed resize from, Denoising strength, Conditional mask weight, Clip skip, ENSD, Token merging ratio, "
        "Token merging ratio hr, Init image hash, RNG, NGMS, Tiling, Hires checkpoint, Hires sampler, Hires prompt, "
        "Hires negative prompt, Hires upscale, Hires resize, Hires steps, Hires upscaler, Lora hashes, Refiner, "
        "Refiner switch at, Version, User"
    )
    assert ", ".join(key for key in keys() if key in order) == order
