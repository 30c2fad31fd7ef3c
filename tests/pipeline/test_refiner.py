"""Another checkpoint that finishes the picture."""

import numpy as np
import pytest

from modules.core.errors import UnknownName
from modules.core.events import ModelLoading
from modules.core.parameters import HiresFix, Refiner, Txt2Img
from modules.pipeline.runner import PipelineRunner
from tests.pipeline.running import UNSAVED, made, pixels, run

CAT = Txt2Img(prompt="a cat", sampler="Euler", steps=4, seed=5, width=64, height=64, make_grid=False)


def refined(switch_at: float, **fields: object) -> Txt2Img:
    refiner = Refiner(checkpoint="tiny-sd1b", switch_at=switch_at)
    return CAT.model_copy(update={"refiner": refiner} | fields)


def test_it_takes_over_where_the_request_says(runner: PipelineRunner) -> None:
    alone, early, late = made(runner, CAT), made(runner, refined(0.3)), made(runner, refined(0.8))
    assert not np.array_equal(alone, early)
    assert not np.array_equal(alone, late)
    assert not np.array_equal(early, late)


def test_it_is_named_in_the_infotext_and_the_base_is_the_pictures_model(runner: PipelineRunner) -> None:
    run(runner, CAT)  # which forgets the refiner of an earlier job
    result, events = run(runner, refined(0.5))
    assert "Refiner: tiny-sd1b [0dd9da1b35], Refiner switch at: 0.5" in result.images[0].infotext
    assert (result.model_name, result.model_hash) == ("tiny-sd1", "bb64a9c9c4")
    assert "tiny-sd1b.safetensors" in {event.name.split("/")[-1] for event in events if isinstance(event, ModelLoading)}


def test_at_the_end_it_does_not_even_load(runner: PipelineRunner) -> None:
    plain = made(runner, CAT)
    result, events = run(runner, refined(1.0))
    assert np.array_equal(pixels(result.images[0].data), plain)
    assert not any(isinstance(event, ModelLoading) for event in events)


def test_steps_or_noise_levels_say_when_it_is_due(runner: PipelineRunner) -> None:
    by_levels, by_steps = made(runner, refined(0.6)), made(runner, refined(0.6), refiner_switch_by_sample_steps=True)
    assert not np.array_equal(by_levels, by_steps)


def test_every_batch_begins_with_the_base(runner: PipelineRunner) -> None:
    both, _ = run(runner, refined(0.5, batch_count=2))
    second = made(runner, refined(0.5, seed=6))
    assert np.array_equal(pixels(both.images[1].data), second)


def test_a_setting_says_in_which_passes_it_works(runner: PipelineRunner) -> None:
    request = refined(0.5, hires=HiresFix(scale=1.5, steps=2, denoising_strength=0.6))
    passes = ("first pass", "second pass", "both passes")
    pictures = [made(runner, request, hires_fix_refiner_pass=which) for which in passes]
    pictures.append(made(runner, request.model_copy(update={"refiner": None})))
    for number, one in enumerate(pictures):
        assert not any(np.array_equal(one, other) for other in pictures[number + 1 :])
    assert np.array_equal(pictures[1], made(runner, request))


def test_an_unknown_one_is_named_before_anything_is_sampled(runner: PipelineRunner) -> None:
    request = CAT.model_copy(update={"refiner": Refiner(checkpoint="nowhere")})
    with pytest.raises(UnknownName, match="nowhere"):
        run(runner, request, UNSAVED)
