import pytest

from modules.library.family_names import family_of_text


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("SD 1.5", "SD 1.x"),
        ("SD 1.4", "SD 1.x"),
        ("SD1", "SD 1.x"),
        ("sd_v1", "SD 1.x"),
        ("stable-diffusion-v1/lora", "SD 1.x"),
        ("runwayml/stable-diffusion-v1-5", "SD 1.x"),
        ("SD 2.1 768", "SD 2.x"),
        ("sd_v2_v", "SD 2.x"),
        ("stable-diffusion-v2-768-v", "SD 2.x"),
        ("SDXL 1.0", "SDXL"),
        ("sdxl_base_v1-0", "SDXL"),
        ("stable-diffusion-xl-v1-base/lora", "SDXL"),
        ("StableDiffusionXLPipeline", "SDXL"),
        ("stable-diffusion-xl-v1-refiner", "SDXL refiner"),
        ("Pony", "SDXL"),
        ("Illustrious", "SDXL"),
        ("SD 3.5 Large", "SD3"),
        ("StableDiffusion3Pipeline", "SD3"),
        ("Flux.1 D", "Flux"),
        ("flux-1-dev/lora", "Flux"),
        ("Qwen", "Qwen-Image"),
        ("Wan Video 2.2", "Wan"),
        ("Unknown", ""),
        ("swan", ""),
        ("", ""),
    ],
)
def test_what_people_and_programs_write(text: str, family: str) -> None:
    assert family_of_text(text) == family
