"""Pictures by networks whose weights are kept in 8 bits."""

from pathlib import Path

import numpy as np
import pytest
import torch

from modules.core.events import ModelLoading
from modules.core.flags import Flags
from modules.core.parameters import Txt2Img
from modules.core.paths import resolve_paths
from modules.core.settings import with_changes
from modules.families.base import LoadedModel
from modules.hardware.float8 import FLOAT8
from modules.library.model_library import open_library
from modules.pipeline.runner import PipelineRunner
from tests.pipeline.running import UNSAVED, made, pixels, run

CAT = Txt2Img(prompt="a cat", sampler="Euler", steps=2, seed=5, width=64, height=64, make_grid=False)
FLOAT8_ON = {"fp8_storage": "Enable"}
SAID = "FP8 weight: Enable, Cache FP16 weight for LoRA: False"


@pytest.fixture(scope="module")
def runner(data: Path) -> PipelineRunner:
    flags = Flags(data_dir=data, no_half=True, use_cpu=("all",))
    paths = resolve_paths(flags)
    return PipelineRunner(flags=flags, paths=paths, library=open_library(paths))


def test_the_picture_is_nearly_the_same_and_the_infotext_says_why_it_is_not(runner: PipelineRunner) -> None:
    plain, _ = run(runner, CAT)
    other, events = run(runner, CAT, with_changes(UNSAVED, FLOAT8_ON))
    before, after = (pixels(result.images[0].data) for result in (plain, other))
    assert 0 < np.abs(before - after).mean() < 8
    assert SAID in other.images[0].infotext
    assert "FP8" not in plain.images[0].infotext
    assert [event.fraction for event in events if isinstance(event, ModelLoading)][-1] == 1
    assert np.array_equal(made(runner, CAT), before)


def test_models_of_other_families_are_left_alone(runner: PipelineRunner) -> None:
    plain = made(runner, CAT)
    result, _ = run(runner, CAT, with_changes(UNSAVED, {"fp8_storage": "Enable for SDXL", "cache_fp16_weight": True}))
    assert np.array_equal(pixels(result.images[0].data), plain)
    assert "FP8" not in result.images[0].infotext


@pytest.mark.parametrize("name", ["lin", "locon", "ia3", "norm"])
def test_adapters_change_weights_of_8_bits_and_undo_that(runner: PipelineRunner, name: str) -> None:
    with_adapter = CAT.model_copy(update={"prompt": f"a cat <lora:{name}:1>"})
    plain, other = made(runner, CAT, **FLOAT8_ON), made(runner, with_adapter, **FLOAT8_ON)
    exact = made(runner, with_adapter)
    assert np.abs(other - exact).mean() < np.abs(other - plain).mean()
    assert np.array_equal(made(runner, CAT, **FLOAT8_ON), plain)


def test_edges_fit_together_and_attention_is_in_float32_if_that_is_wished(
    runner: PipelineRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[torch.dtype] = set()
    predict = LoadedModel.predict

    def watched(model: LoadedModel, *given: object) -> torch.Tensor:
        seen.add(model.network.get_parameter("conv_in.weight").dtype)
        return predict(model, *given)  # pyright: ignore[reportArgumentType] # as they were given

    monkeypatch.setattr(LoadedModel, "predict", watched)
    plain = made(runner, CAT, **FLOAT8_ON)
    tiled = made(runner, CAT, tiling=True, upcast_attn=True, **FLOAT8_ON)
    assert np.abs(tiled[0] - tiled[-1]).mean() < np.abs(plain[0] - plain[-1]).mean()
    assert seen == {FLOAT8}
