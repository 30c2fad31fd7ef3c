"""Sizes that make no network, and text encoders that do not know their tokens, are refused with a sentence."""

import json
from pathlib import Path

import pytest
import torch

from modules.core.errors import ModelFileError
from modules.hardware.dtype import Precision
from modules.loading.build import load_checkpoint
from tests.tiny_checkpoint import write_tiny_sd1

FLOAT = Precision(network=torch.float32, vae=torch.float32, text=torch.float32)


def load(path: Path) -> None:
    load_checkpoint(path, config=path.with_suffix(".yaml"), device=torch.device("cpu"), precision=FLOAT)


def change_text_config(folder: Path, **values: int) -> None:
    """Change the text encoder's configuration beside the checkpoint's yaml."""
    file = next(folder.rglob("config.json"))
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def test_widths_that_no_group_norm_divides(tmp_path: Path) -> None:
    path = write_tiny_sd1(tmp_path)
    config = path.with_suffix(".yaml")
    config.write_text(config.read_text().replace("model_channels: 32", "model_channels: 48"))
    with pytest.raises(ModelFileError, match="cannot be built"):
        load(path)


@pytest.mark.parametrize("values", [{"vocab_size": 1000}, {"max_position_embeddings": 64}])
def test_a_text_encoder_smaller_than_its_tokenizer(tmp_path: Path, values: dict[str, int]) -> None:
    path = write_tiny_sd1(tmp_path)
    change_text_config(tmp_path, **values)
    with pytest.raises(ModelFileError, match="knows"):
        load(path)


def test_heads_that_do_not_divide_the_width(tmp_path: Path) -> None:
    path = write_tiny_sd1(tmp_path)
    change_text_config(tmp_path, num_attention_heads=7)
    with pytest.raises(ModelFileError, match="cannot be built"):
        load(path)
