"""The way from a request to a picture gives what A1111 1.8 gave, to the pixel."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modules.core.parameters import Txt2Img
from modules.core.samplers import split_combined_name
from modules.pipeline.runner import PipelineRunner
from tests.pipeline.running import pixels, run

RECORDED = Path(__file__).parents[1] / "data" / "a1111"
CASES = sorted(path.parent.name for path in RECORDED.glob("*/request.json"))


def as_request(body: dict[str, Any]) -> Txt2Img:
    """Say in 1.10's words what a request to 1.8 meant: there a bare name was the uniform schedule."""
    sampler, scheduler = split_combined_name(body["sampler_name"])
    names = ("prompt", "negative_prompt", "seed", "steps", "cfg_scale", "width", "height")
    return Txt2Img(
        sampler=sampler,
        scheduler="Uniform" if scheduler == "Automatic" else scheduler,
        **{name: body[name] for name in names},
    )


@pytest.mark.parametrize("case", CASES)
def test_picture_and_infotext_equal_the_recording(runner: PipelineRunner, case: str) -> None:
    body = json.loads((RECORDED / case / "request.json").read_text())["body"]
    image = run(runner, as_request(body))[0].images[0]
    assert np.abs(pixels(image.data) - pixels((RECORDED / case / "image_00.png").read_bytes())).max() <= 1
    recorded = (RECORDED / case / "info.txt").read_text().strip().splitlines()
    ours = image.infotext.splitlines()
    assert ours[:2] == recorded[:2]
    assert "Model hash: bb64a9c9c4, Model: tiny-sd1, Version: Easel" in ours[2]
