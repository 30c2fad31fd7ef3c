"""Pickled files are told by the names in them; none is unpickled."""

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from modules.library import pickle_head
from modules.library.kinds import ModelKind
from modules.library.pickle_head import HEAD_BYTES, read_head, recognise_pickle

ROOT = Path(__file__).parents[2]


def write_zip(path: Path, content: object, *, method: int = zipfile.ZIP_STORED) -> Path:
    """Write a file as `torch.save` does: a zip whose first entry is the pickle with all names."""
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("archive/data.pkl", pickle.dumps(content, protocol=2))
        file.writestr("archive/data/0", bytes(1000))
    return path


def kind_of(path: Path) -> ModelKind:
    return recognise_pickle(read_head(path)).kind


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"state_dict": {"model.diffusion_model.x": 1, "first_stage_model.encoder.conv_in.weight": 2}}, "checkpoint"),
        ({"lora_unet_x.lora_down.weight": 1}, "lora"),
        ({"string_to_token": {"*": 265}, "string_to_param": {"*": 1}, "name": "cat"}, "embedding"),
        ({768: [{"linear.0.weight": 1}], "layer_structure": [1, 2, 1], "step": 5}, "hypernetwork"),
        ({"state_dict": {"first_stage_model.encoder.conv_in.weight": 2}}, "vae"),
        ({"params_ema": {"conv_first.weight": 1}}, "upscaler"),
        ({"control_model.input_hint_block.0.weight": 1}, "controlnet"),
        ({"text_model.encoder.layers.0.x": 1}, "text encoder"),
        ({"<cat>": 1}, "unknown"),
    ],
)
def test_both_formats_of_torch(content: Mapping[object, object], kind: str, tmp_path: Path) -> None:
    assert kind_of(write_zip(tmp_path / "zip.pt", content)) == kind
    old = tmp_path / "old.ckpt"
    old.write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2) + pickle.dumps(content, protocol=2))
    assert kind_of(old) == kind


def test_the_hypernetwork_that_ships_with_the_project() -> None:
    assert kind_of(ROOT / "models/hypernetworks/easel-night.pt") is ModelKind.HYPERNETWORK


def test_nothing_is_run_and_nothing_unpacked(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",)

    assert kind_of(write_zip(tmp_path / "evil.pt", Evil())) is ModelKind.UNKNOWN
    bomb = write_zip(tmp_path / "bomb.pt", "model.diffusion_model." * 10**6, method=zipfile.ZIP_DEFLATED)
    assert kind_of(bomb) is ModelKind.UNKNOWN
    assert not (tmp_path / "ran").exists()


def test_only_the_beginning_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.pt"
    path.write_bytes(bytes(HEAD_BYTES) + b"model.diffusion_model.")
    assert len(read_head(path)) == HEAD_BYTES
    assert kind_of(path) is ModelKind.UNKNOWN
    assert not {"pickle", "zipfile"} & set(vars(pickle_head))
