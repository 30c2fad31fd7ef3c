"""The body of `POST /sdapi/v1/txt2img`: every field of A1111 1.10's, and what it means here."""

from typing import Any

from modules.core.parameters import Txt2Img
from modules.core.upscalers import LATENT_MODES
from modules.frontends.http_api.generation_body import NONE, GenerationBody, sampler_names, validated
from modules.frontends.http_api.pictures import read_picture

HIRES_DENOISING = 0.75  # A1111's, for a client that does not say


class Txt2ImgBody(GenerationBody):
    """See `GenerationBody`."""

    firstpass_image: str | None = None
    enable_hr: bool = False
    firstphase_width: int = 0
    firstphase_height: int = 0
    hr_scale: float = 2.0
    hr_upscaler: str | None = None
    hr_second_pass_steps: int = 0
    hr_resize_x: int = 0
    hr_resize_y: int = 0
    hr_checkpoint_name: str | None = None
    hr_sampler_name: str | None = None
    hr_scheduler: str | None = None
    hr_prompt: str = ""
    hr_negative_prompt: str = ""
    hr_cfg: float | None = None

    def to_request(self) -> Txt2Img:
        """Return the request that this body asks for.

        Raises:
            RequestValidationError: a value is out of range; the error names the field as the client calls it.
            InvalidRequest: a sampler, a schedule type or the upscaler does not exist, or the first-pass picture is
                none.
        """
        fields = self.common_fields()
        if not self.enable_hr:
            return validated(Txt2Img, fields)
        if self.firstphase_width or self.firstphase_height:  # the words of A1111 before 1.0; the factor still holds
            fields |= {"width": self.firstphase_width, "height": self.firstphase_height}
        first_pass = read_picture(self.firstpass_image, "firstpass_image") if self.firstpass_image else None
        return validated(Txt2Img, fields | {"hires": self._hires(), "first_pass": first_pass})

    def _hires(self) -> dict[str, Any]:
        sampler, scheduler = None, self.hr_scheduler
        if self.hr_sampler_name and self.hr_sampler_name not in (*NONE, "Use same sampler"):
            sampler, scheduler = sampler_names(self.hr_sampler_name, same_as_none(self.hr_scheduler))
        return {
            "scale": self.hr_scale,
            "width": self.hr_resize_x,
            "height": self.hr_resize_y,
            "upscaler": self.hr_upscaler or LATENT_MODES[0],
            "steps": self.hr_second_pass_steps,
            "denoising_strength": HIRES_DENOISING if self.denoising_strength is None else self.denoising_strength,
            "sampler": sampler,
            "scheduler": same_as_none(scheduler),
            "prompt": self.hr_prompt,
            "negative_prompt": self.hr_negative_prompt,
            "checkpoint": same_as_none(self.hr_checkpoint_name),
            "cfg_scale": self.hr_cfg,
        }


def same_as_none(name: str | None) -> str | None:
    """Return None for what A1111's drop-downs call "Use same …"."""
    return None if name is None or name in NONE or name.startswith("Use same ") else name
