"""Our view of open_clip's weights against what diffusers' own converter makes of them."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]  # os.PathLike without argument

from modules.loading.convert.openclip import openclip_text
from modules.loading.mapped import MappedFile, StoredTensor
from modules.loading.weights_file import open_weights
from tests.family_folders import Tensors, as_tensors, sdxl_folder
from tests.recorded_checkpoint import XL_OPEN_CLIP, recorded_sdxl


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    return as_tensors(recorded_sdxl())


def stored(path: Path, tensors: Tensors) -> dict[str, StoredTensor]:
    below = {
        name.removeprefix(XL_OPEN_CLIP): tensor for name, tensor in tensors.items() if name.startswith(XL_OPEN_CLIP)
    }
    save_file(below, path)
    return open_weights(path)


def test_text_encoder(tmp_path: Path, tensors: Tensors) -> None:
    oracle = {
        name.removeprefix("text_model."): tensor
        for name, tensor in sdxl_folder(tensors).parts["text_encoder_2"].tensors.items()
    }
    ours = openclip_text(stored(tmp_path / "x.safetensors", tensors))
    assert ours.keys() == oracle.keys()
    for name, tensor in oracle.items():
        assert ours[name].open().equal(tensor), name


def test_what_is_not_of_the_text_encoder_is_left_out_and_what_is_not_known_stays(tmp_path: Path) -> None:
    shutil.copy(__file__, tmp_path / "file")
    tensor = StoredTensor(file=MappedFile(tmp_path / "file"), start=0, dtype=torch.uint8, shape=(3,))
    names = ["logit_scale", "attn_mask", "visual.proj", "strange", "transformer.resblocks.2.strange.weight"]
    assert openclip_text(dict.fromkeys(names, tensor)).keys() == {"strange", "encoder.layers.2.strange.weight"}


@pytest.mark.parametrize("shape", [(), (2,), (7, 5)])
def test_attention_of_an_odd_shape_is_no_crash(tmp_path: Path, shape: tuple[int, ...]) -> None:
    shutil.copy(__file__, tmp_path / "file")
    tensor = StoredTensor(file=MappedFile(tmp_path / "file"), start=0, dtype=torch.uint8, shape=shape)
    parts = openclip_text({"transformer.resblocks.0.attn.in_proj_weight": tensor, "text_projection": tensor})
    assert len(parts) == (4 if shape else 2)
