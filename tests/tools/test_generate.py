from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from modules.core.errors import ModelFileError
from modules.core.parameters import Txt2Img
from modules.pipeline.context import Loaded
from tests.tiny_checkpoint import write_tiny_sd1
from tools.demo_model.generate import Wish, load, make_pictures, make_series

MANNER = Txt2Img(sampler="Euler a", steps=3, width=64, height=64, cfg_scale=6, batch_size=2)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load(write_tiny_sd1(tmp_path_factory.mktemp("models")))


def pixels(picture: Image.Image) -> npt.NDArray[np.int16]:
    return np.asarray(picture).astype(np.int16)


def alike(first: Image.Image, second: Image.Image) -> bool:
    """Whether two pictures are the same but for rounding, which depends on what is computed together."""
    return float(np.abs(pixels(first) - pixels(second)).mean()) < 2


def test_the_yaml_beside_the_checkpoint_is_found(loaded: Loaded) -> None:
    assert loaded.file.config == loaded.file.path.with_suffix(".yaml")


def test_a_missing_checkpoint_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"gone\.safetensors"):
        load(tmp_path / "gone.safetensors")


def test_prompts_of_one_batch_are_kept_apart(loaded: Loaded) -> None:
    wishes = [
        Wish(prompt="a red circle", seed=1),
        Wish(prompt="a blue star on the left", negative_prompt="green", seed=2),
        Wish(prompt="the sea", seed=3),
    ]
    together = make_pictures(loaded, wishes, MANNER)
    alone = [make_pictures(loaded, [wish], MANNER)[0] for wish in wishes]
    assert [picture.size for picture in together] == [(64, 64)] * 3
    assert all(map(alike, together, alone))
    assert not alike(together[0], together[1])


def test_pictures_are_those_of_the_products_pipeline(loaded: Loaded) -> None:
    wishes = [Wish(prompt="a (red:1.4) circle", negative_prompt="green", seed=seed) for seed in (7, 8, 9)]
    series = make_series(loaded, wishes[0], 3, MANNER)
    assert len(series) == 3
    assert all(map(alike, make_pictures(loaded, wishes, MANNER), series))


def test_prompt_and_negative_prompt_and_manner_count(loaded: Loaded) -> None:
    wish = Wish(prompt="a red circle", seed=1)
    usual = make_series(loaded, wish, 1, MANNER)[0]
    others = [
        make_series(loaded, replace(wish, prompt="a cat"), 1, MANNER)[0],
        make_series(loaded, replace(wish, negative_prompt="a cat"), 1, MANNER)[0],
        make_series(loaded, replace(wish, seed=2), 1, MANNER)[0],
        make_series(loaded, wish, 1, MANNER.model_copy(update={"sampler": "Euler"}))[0],
    ]
    assert not any(np.array_equal(pixels(usual), pixels(other)) for other in others)


def test_a_changed_model_is_used(loaded: Loaded, tmp_path: Path) -> None:
    wish = Wish(prompt="a red circle", seed=1)
    other = load(write_tiny_sd1(tmp_path, seed=2)).model
    changed = replace(loaded, model=replace(loaded.model, vae=other.vae))
    usual, different = (make_series(each, wish, 1, MANNER)[0] for each in (loaded, changed))
    assert not alike(usual, different)
    assert alike(make_pictures(changed, [wish], MANNER)[0], different)
