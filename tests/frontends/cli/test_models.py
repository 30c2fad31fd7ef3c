import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file  # pyright: ignore[reportUnknownVariableType]  # os.PathLike without argument

from modules.app import main, model_tools
from modules.core.conversion import Conversion, Converted
from modules.core.flags import Flags
from modules.core.paths import resolve_paths
from modules.frontends.cli import models
from modules.library.hashing import legacy_hash
from modules.library.kinds import ModelKind
from modules.library.model_library import ModelLibrary, open_library

LORA = {
    "lora_unet_down_blocks_0_attn2_to_k.lora_down.weight": torch.zeros(4, 768),
    "lora_unet_down_blocks_0_attn2_to_k.lora_up.weight": torch.zeros(320, 4),
}
CHECKPOINT = {
    "model.diffusion_model.down.0.attn2.to_k.weight": torch.ones(4, 768),
    "first_stage_model.x": torch.zeros(2),
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a LoRA, a checkpoint, and a LoRA among the checkpoints."""
    lora, checkpoints = tmp_path / "models" / "Lora", tmp_path / "models" / "Stable-diffusion"
    for folder in (lora, checkpoints):
        folder.mkdir(parents=True)
    save_file(LORA, lora / "pixel art.safetensors", metadata={"modelspec.trigger_phrase": "pixels"})
    save_file(LORA, checkpoints / "lost.safetensors")
    torch.save({"state_dict": CHECKPOINT}, checkpoints / "photo.ckpt")
    return tmp_path


def run(data: Path, *words: str) -> int:
    return main(["models", *words, "--data-dir", str(data)])


def answer(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# list


def test_the_list(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(data, "list") == 0
    printed = capsys.readouterr()
    header, *rows = printed.out.splitlines()
    assert header.split() == ["NAME", "KIND", "FAMILY", "SIZE", "AUTOV2"]
    assert [row.split("  ")[0] for row in rows] == ["pixel art", "lost.safetensors", "photo.ckpt"]
    assert rows[0].split()[2:5] == ["lora", "SD", "1.x"]
    assert "“lost.safetensors” is a LoRA for SD 1.x, not a checkpoint. Move it to" in printed.err
    assert str(data / "models" / "Lora") in printed.err


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--kind", "lora"], ["pixel art"]),
        (["--kind", "checkpoint"], ["lost.safetensors", "photo.ckpt"]),
        (["--search", "PIXELS"], ["pixel art"]),
        (["--kind", "vae"], []),
    ],
)
def test_parts_of_the_list_as_json(
    data: Path, capsys: pytest.CaptureFixture[str], words: list[str], names: list[str]
) -> None:
    assert run(data, "list", "--json", *words) == 0
    found = answer(capsys)
    assert [entry["name"] for entry in found] == names
    for entry in found:
        assert entry["size"] == Path(entry["path"]).stat().st_size
        assert (entry["misplaced"] is not None) == (entry["name"] == "lost.safetensors")


def test_an_empty_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "list") == 0
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "There are no such model files.\n")


# hash


def test_hashes_are_those_of_a1111_and_are_kept(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lora = data / "models" / "Lora" / "pixel art.safetensors"
    photo = data / "models" / "Stable-diffusion" / "photo.ckpt"
    assert run(data, "hash", "pixel art", str(photo), "--json") == 0
    of_lora, of_photo = answer(capsys)
    tensors = lora.read_bytes()[8 + int.from_bytes(lora.read_bytes()[:8], "little") :]
    assert of_lora == {
        "path": str(lora),
        "kind": "lora",
        "sha256": sha256(lora),
        "AutoV2": sha256(lora)[:10],
        "Lora hash": hashlib.sha256(tensors).hexdigest()[:12],
    }
    assert (of_photo["sha256"], of_photo["A1111's hash of 2022"]) == (sha256(photo), legacy_hash(photo))
    library = open_library(resolve_paths(Flags(data_dir=data)))
    for kind, name, path in ((ModelKind.LORA, "pixel art", lora), (ModelKind.CHECKPOINT, "photo", photo)):
        assert library.known_hashes(library.find(kind, name)).sha256 == sha256(path)
    library.close()
    assert run(data, "list") == 0
    assert sha256(lora)[:10] in capsys.readouterr().out


def test_all_hashes(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(data, "hash", "--all") == 0
    printed = capsys.readouterr().out
    assert all(sha256(path) in printed for path in (data / "models").rglob("*.*"))
    assert printed.count("Lora hash") == 1


def test_a_file_that_is_in_no_folder_has_hashes_too(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_file(LORA, data / "elsewhere.safetensors")
    (data / "any.bin").write_bytes(b"abc")
    assert run(data, "hash", str(data / "elsewhere.safetensors"), str(data / "any.bin"), "--json") == 0
    first, second = answer(capsys)
    assert (first["kind"], len(first["Lora hash"])) == ("lora", 12)
    assert second["sha256"] == hashlib.sha256(b"abc").hexdigest()


def test_what_has_no_hash_is_named_and_the_others_are_hashed(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(data, "hash", "nothing", "pixel art", str(data)) == 1
    printed = capsys.readouterr()
    assert "There is no file “nothing”, and no model of that name." in printed.err
    assert f"{data} is a folder" in printed.err
    assert "AutoV2" in printed.out
    assert run(data, "hash", "pixel", "--kind", "lora") == 1
    assert "Did you mean pixel art?" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["hash"], ["hash", "--all", "x"], ["list", "--kind", "song"], []])
def test_wrong_arguments(data: Path, words: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(data, *words)
    assert stopped.value.code == 2


# inspect


def test_a_file_is_told(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lost = data / "models" / "Stable-diffusion" / "lost.safetensors"
    assert run(data, "inspect", str(lost)) == 0
    printed = capsys.readouterr().out
    assert "What it is       a LoRA (LoRA) for SD 1.x\n" in printed
    assert f"Belongs to       {data / 'models' / 'Lora'}\n" in printed
    assert "Tensors          2 of float32, " in printed
    assert "Rank             4 in 1 modules\n" in printed


def test_a_file_is_told_as_json(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = data / "models" / "Stable-diffusion" / "photo.ckpt"
    assert run(data, "inspect", str(photo), "--json") == 0
    told = answer(capsys)
    assert (told["path"], told["safe"], told["container"]) == (str(photo), True, "pickle of PyTorch")
    assert told["facts"]["content"]["kind"] == "checkpoint"
    assert told["numbers"] == {"float32": {"tensors": 2, "size": 4 * (4 * 768 + 2)}}
    assert told["belongs_to"] == str(data / "models" / "Stable-diffusion")


def write_hostile(path: Path) -> Path:
    class Hostile:
        def __reduce__(self) -> Any:
            return os.mkdir, ("run",)

    torch.save({"model.diffusion_model.x": torch.ones(2), "bad": Hostile()}, path)
    return path


def test_a_hostile_file_is_told_with_what_it_refers_to(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = write_hostile(data / "bad.ckpt")
    assert run(data, "inspect", str(bad)) == 1
    printed = capsys.readouterr().out
    assert "Safe             No. “bad.ckpt” was refused: its pickle refers to “posix.mkdir”" in printed
    assert run(data, "inspect", str(bad), "--json") == 1
    assert answer(capsys)["safe"] is False


def test_a_missing_file_is_named(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(data, "inspect", str(data / "gone.pt")) == 1
    assert "gone.pt" in capsys.readouterr().err


# convert


def test_a_checkpoint_becomes_safe(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = data / "models" / "Stable-diffusion" / "photo.ckpt"
    assert run(data, "convert", str(photo), "--to", "safetensors", "--fp16") == 0
    target = photo.with_suffix(".safetensors")
    printed = capsys.readouterr()
    assert (printed.out, "2 tensors" in printed.err) == (f"{target}\n", True)
    found = load_file(target)
    assert found.keys() == CHECKPOINT.keys()
    assert all(torch.equal(found[name], tensor.half()) for name, tensor in CHECKPOINT.items())
    assert run(data, "convert", str(photo)) == 1
    assert "photo.safetensors is there already" in capsys.readouterr().err
    assert run(data, "convert", str(photo), "--force") == 0
    assert load_file(target)["first_stage_model.x"].dtype == torch.float32


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["--bf16"], "lost-bf16.safetensors"),
        (["--fp16", "--ema", "drop"], "lost-fp16-ema-drop.safetensors"),
        (["--output", "OUT/new.safetensors"], "OUT/new.safetensors"),
    ],
)
def test_names_of_converted_files(data: Path, words: list[str], name: str) -> None:
    folder = data / "models" / "Stable-diffusion"
    words = [str(folder / word) if "OUT" in word else word for word in words]
    assert run(data, "convert", str(folder / "lost.safetensors"), *words) == 0
    assert load_file(folder / name).keys() == LORA.keys()


def test_what_need_not_be_converted_is_said(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(data, "convert", str(data / "models" / "Lora" / "pixel art.safetensors"))
    assert "is a safetensors file already" in capsys.readouterr().err


def test_a_hostile_file_is_refused(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = write_hostile(data / "bad.ckpt")
    assert run(data, "convert", str(bad)) == 1
    assert "refers to “posix.mkdir”" in capsys.readouterr().err
    assert not bad.with_suffix(".safetensors").exists()


# Ctrl+C


def test_commands_can_be_stopped(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> Any:
        raise KeyboardInterrupt

    def convert(_conversion: Conversion, on_progress: object) -> Converted:
        stop(on_progress)
        raise AssertionError

    tools = models.ModelTools(library=model_tools().library, inspect=model_tools().inspect, convert=convert)
    words = ["--data-dir", str(data)]
    assert models.run(["convert", str(data / "a.ckpt"), *words], tools) == models.INTERRUPTED
    monkeypatch.setattr(ModelLibrary, "hashes", stop)
    assert models.run(["hash", "--all", *words], tools) == models.INTERRUPTED
