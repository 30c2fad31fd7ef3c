import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]  # os.PathLike without argument

from modules.core.errors import ModelFileError
from modules.library.kinds import ModelKind
from modules.loading.inspect_file import inspect_file
from tests.adapters import embedding_writers
from tests.loading.test_torch_file import save

LORA = {
    "lora_unet_down_blocks_0_attn2_to_k.lora_down.weight": torch.zeros(4, 768),
    "lora_unet_down_blocks_0_attn2_to_k.lora_up.weight": torch.zeros(320, 4),
    "lora_unet_down_blocks_0_attn2_to_k.alpha": torch.tensor(4.0, dtype=torch.float16),
    "lora_unet_conv_in.lora_down.weight": torch.zeros(8, 4, 3, 3),
    "lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": torch.zeros(4, 768),
}


def test_a_lora(tmp_path: Path) -> None:
    save_file(LORA, tmp_path / "a.safetensors", metadata={"ss_output_name": "cat", "modelspec.title": "A cat"})
    report = inspect_file(tmp_path / "a.safetensors")
    assert (report.container, report.refused) == ("safetensors", "")
    assert (report.facts.content.kind, report.facts.family, report.facts.alias) == (ModelKind.LORA, "SD 1.x", "cat")
    assert (report.ranks, report.modules) == ({4: 2, 8: 1}, {"network": 2, "text encoders": 1})
    numbers = {name: (each.tensors, each.size) for name, each in report.numbers.items()}
    assert numbers == {"float32": (4, 4 * (4 * 768 + 320 * 4 + 8 * 36 + 4 * 768)), "float16": (1, 2)}
    assert report.texts["modelspec.title"] == "A cat"


@pytest.mark.parametrize("legacy", [True, False])
def test_pickles(tmp_path: Path, legacy: bool) -> None:
    report = inspect_file(save(tmp_path / "a.pt", OrderedDict(LORA), legacy=legacy))
    assert (report.container, report.refused) == ("pickle of PyTorch", "")
    assert (report.facts.content.kind, report.facts.family) == (ModelKind.LORA, "SD 1.x")
    assert (report.ranks, report.texts) == ({4: 2, 8: 1}, {})
    trained = embedding_writers.trained(embedding_writers.vectors(3, 768))
    report = inspect_file(embedding_writers.save(tmp_path / "e.pt", trained, legacy=legacy))
    assert (report.facts.content.kind, report.ranks) == (ModelKind.EMBEDDING, {})


def test_a_hostile_pickle_is_told_by_its_first_bytes_and_not_run(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "run"),)

    source = save(tmp_path / "a.ckpt", {"model.diffusion_model.x": torch.ones(2), "bad": Hostile()}, legacy=False)
    report = inspect_file(source)
    assert report.facts.content.kind is ModelKind.CHECKPOINT
    assert "“posix.mkdir”" in report.refused
    assert list(tmp_path.iterdir()) == [source]


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="is a folder without a model"):
        inspect_file(tmp_path)
    (tmp_path / "unet").mkdir()
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionXLPipeline"}')
    (tmp_path / "unet" / "x.safetensors").write_bytes(bytes(12))
    report = inspect_file(tmp_path)
    assert (report.size, report.container, report.facts.family) == (12, "diffusers folder", "SDXL")


def test_what_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "a.ckpt").write_bytes(b"<html>")
    with pytest.raises(ModelFileError, match="a web page"):
        inspect_file(tmp_path / "a.ckpt")
    with pytest.raises(ModelFileError, match=r"“b\.ckpt” is no longer in"):
        inspect_file(tmp_path / "b.ckpt")
