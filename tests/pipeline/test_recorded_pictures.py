"""The way from A1111's request to a picture gives what A1111 1.8 gave, to the pixel."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modules.core.samplers import AUTOMATIC, UNIFORM, split_combined_name
from modules.core.settings import with_changes
from modules.frontends.http_api.img2img_body import Img2ImgBody
from modules.frontends.http_api.txt2img_body import Txt2ImgBody
from modules.imaging.infotext import read_infotext
from modules.pipeline.runner import PipelineRunner
from tests.pipeline.running import UNSAVED, pixels, run

RECORDED = Path(__file__).parents[1] / "data" / "a1111"
CASES = sorted(path.parent.name for path in RECORDED.glob("*/request.json"))
INPUTS = "@inputs/"


def resolved(value: Any) -> Any:
    """Replace "@inputs/NAME" by that file in base64."""
    match value:
        case str() if value.startswith(INPUTS):
            return b64encode((RECORDED / "inputs" / value.removeprefix(INPUTS)).read_bytes()).decode()
        case list():
            return [resolved(item) for item in value]  # pyright: ignore[reportUnknownVariableType] # JSON
        case _:
            return value


def as_body(recorded: dict[str, Any]) -> Txt2ImgBody | Img2ImgBody:
    """Say in 1.10's words what a request to 1.8 meant: there a bare name was the uniform schedule."""
    fields = {name: resolved(value) for name, value in recorded["body"].items()}
    if split_combined_name(fields["sampler_name"])[1] == AUTOMATIC:
        fields["scheduler"] = UNIFORM
    return (Txt2ImgBody if recorded["api"].endswith("txt2img") else Img2ImgBody).model_validate(fields)


def said(infotext: str) -> dict[str, str | float]:
    """Return what an infotext says, numbers as such and every sampler with its schedule type; not of which version."""
    fields = read_infotext(infotext)
    del fields["Version"]
    for key, schedule_key in (("Sampler", "Schedule type"), ("Hires sampler", "Hires schedule type")):
        if key in fields:
            name, schedule = split_combined_name(fields[key], fields.pop(schedule_key, AUTOMATIC))
            fields[key] = f"{name}, {UNIFORM if schedule == AUTOMATIC else schedule}"
    return {key: _number(text) for key, text in fields.items()}


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


@pytest.mark.parametrize("case", CASES)
def test_pictures_and_infotexts_equal_the_recording(runner: PipelineRunner, case: str) -> None:
    body = as_body(json.loads((RECORDED / case / "request.json").read_text()))
    result, _ = run(runner, body.to_request(), with_changes(UNSAVED, body.override_settings))
    ours = [pixels(image.data) for image in result.images]
    theirs = [pixels(path.read_bytes()) for path in sorted((RECORDED / case).glob("image_*.png"))]
    assert [picture.shape for picture in ours] == [picture.shape for picture in theirs]
    for one, other in zip(ours, theirs, strict=True):
        difference = np.abs(one - other)
        assert difference.max() <= 3  # histograms that are matched turn one level into several
        assert (difference > 1).mean() <= 0.001
    infotexts = (RECORDED / case / "info.txt").read_text().split("\n=====\n")
    assert [said(image.infotext) for image in result.images if not image.is_mask] == [said(text) for text in infotexts]
