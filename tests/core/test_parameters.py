import math
import pickle
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from modules.core.errors import UnknownName
from modules.core.parameters import (
    MAX_PROMPT_CHARACTERS,
    MAX_SEED,
    MAX_SIDE,
    MAX_STEPS,
    GenerationRequest,
    LoadCheckpoint,
    Txt2Img,
)

REQUEST = TypeAdapter[Any](GenerationRequest)


def test_defaults_are_those_of_the_tab() -> None:
    request = Txt2Img()
    assert (request.steps, request.cfg_scale, request.width, request.height) == (20, 7.0, 512, 512)
    assert (request.seed, request.sampler, request.scheduler) == (-1, "DPM++ 2M", "Automatic")


@pytest.mark.parametrize(("asked", "made"), [(8, 8), (63, 56), (64, 64), (513, 512), (MAX_SIDE, MAX_SIDE)])
def test_sides_are_rounded_down_to_whole_latents(asked: int, made: int) -> None:
    request = Txt2Img(width=asked, height=asked)
    assert (request.width, request.height) == (made, made)


@pytest.mark.parametrize("field", ["width", "height"])
@pytest.mark.parametrize("value", [0, -64, 7, 8192, math.nan, math.inf, 64.5, "wide", None, 10**400])
def test_impossible_sides_are_refused(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as raised:
        Txt2Img.model_validate({field: value})
    assert raised.value.errors()[0]["loc"] == (field,)


@pytest.mark.parametrize(
    ("field", "wrong", "right"),
    [
        ("steps", (0, -1, 10**6, math.nan, 1.5), (1, 20, MAX_STEPS)),
        ("cfg_scale", (-1, 101, math.nan, math.inf), (0, 1, 7.5, 100)),
        ("seed", (2**63, -(2**63), math.nan, 0.5), (-1, 0, MAX_SEED)),
        ("batch_size", (0, 65), (1, 64)),
        ("batch_count", (0, 1001), (1, 1000)),
        ("eta", (-0.1, 1.1, math.nan), (None, 0, 1)),
        ("prompt", ("a" * 100_000, 5), ("", "😀" * MAX_PROMPT_CHARACTERS, "((([[[")),
        ("negative_prompt", ("a" * 100_000,), ("a" * MAX_PROMPT_CHARACTERS,)),
        ("kind", ("img2img",), ("txt2img",)),
    ],
)
def test_limits(field: str, wrong: tuple[Any, ...], right: tuple[Any, ...]) -> None:
    for value in wrong:
        with pytest.raises(ValidationError) as raised:
            Txt2Img.model_validate({field: value})
        assert raised.value.errors()[0]["loc"] == (field,)
    for value in right:
        assert getattr(Txt2Img.model_validate({field: value}), field) == value


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError, match="stepz"):
        Txt2Img.model_validate({"stepz": 20})


def test_names_are_made_canonical() -> None:
    request = Txt2Img(sampler="k_euler_a", scheduler="KARRAS")
    assert (request.sampler, request.scheduler) == ("Euler a", "Karras")


@pytest.mark.parametrize("field", ["sampler", "scheduler"])
def test_unknown_names_are_answered_with_those_there_are(field: str) -> None:
    with pytest.raises(UnknownName, match=r"“nonsense”.*(Euler a|Karras)"):
        Txt2Img.model_validate({field: "nonsense"})


def test_a_request_is_frozen_and_crosses_to_another_process() -> None:
    request = Txt2Img(prompt="a", styles=("x",), seed=MAX_SEED)
    with pytest.raises(ValidationError):
        setattr(request, "seed", 1)  # noqa: B010  # as an assignment it would not pass the type check
    assert pickle.loads(pickle.dumps(request)) == request
    assert REQUEST.validate_json(request.model_dump_json()) == request
    assert REQUEST.validate_python({"kind": "load_checkpoint"}) == LoadCheckpoint()
