import errno
import os
import shutil
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file  # pyright: ignore[reportUnknownVariableType]  # os.PathLike without argument
from torch import Tensor

from modules.adapters.embedding_files import read_embedding
from modules.core.cancellation import CancelToken
from modules.core.conversion import Averages, Conversion, Converted, NumberFormat
from modules.core.errors import Interrupted, ModelFileError, OutputError, UnsafeFileError
from modules.library.safetensors_header import read_header
from modules.loading import safetensors_writer
from modules.loading.convert_file import convert_file
from modules.loading.weights_file import open_weights
from tests.adapters import embedding_writers, hypernetwork_writers
from tests.loading.test_torch_file import save, tensors
from tests.tiny_checkpoint import tiny_sd1_tensors

UNET = "model.diffusion_model.input_blocks.0.0.weight"
AVERAGE = "model_ema.diffusion_modelinput_blocks00weight"
SCHEDULE = "alphas_cumprod"


def convert(
    source: Path,
    *,
    numbers: NumberFormat = "keep",
    averages: Averages = "keep",
    replace: bool = False,
    target: Path | None = None,
) -> tuple[dict[str, Tensor], Converted]:
    """Convert a file and return what the library reads from the new one."""
    target = target or source.with_name("converted.safetensors")
    conversion = Conversion(source=source, target=target, numbers=numbers, averages=averages, replace=replace)
    converted = convert_file(conversion)
    assert converted.size == target.stat().st_size
    assert not list(source.parent.glob(".*"))
    return load_file(target), converted


def assert_same(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name


def texts(path: Path) -> dict[str, str]:
    header = read_header(path)
    assert header is not None
    return dict(header.texts)


@pytest.mark.parametrize("legacy", [True, False])
def test_every_tensor_of_a_checkpoint_is_there_and_equal(tmp_path: Path, legacy: bool) -> None:
    weights = tiny_sd1_tensors()
    content = {"state_dict": weights, "global_step": 7, "optimizer": [torch.zeros(9)], "epoch": 1}
    source = save(tmp_path / "model.ckpt", content, legacy=legacy)
    found, converted = convert(source)
    assert_same(found, weights)
    assert converted.tensors == len(weights)
    assert texts(tmp_path / "converted.safetensors") == {"format": "pt"}
    # Our own reader checks the order and that there are no gaps.
    assert open_weights(tmp_path / "converted.safetensors").keys() == weights.keys()


@pytest.mark.parametrize("legacy", [True, False])
def test_tensors_of_every_kind(tmp_path: Path, legacy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safetensors_writer, "PIECE", 3)  # so that tensors are written in pieces
    base = torch.arange(24, dtype=torch.float32)
    weights = {
        **tensors(),
        "shared": base.view(2, 12),
        "part": base[3:7],
        "turned": base.view(4, 6).T,
        "every second": base[::2],
        "empty": torch.empty(0, 4),
        "number": torch.tensor(5.5),
        "whole": torch.arange(4),
        "yes": torch.tensor([True, False]),
        "brain": base.bfloat16(),
    }
    found, _ = convert(save(tmp_path / "model.pt", weights, legacy=legacy))
    assert_same(found, {name: tensor.contiguous() for name, tensor in weights.items()})


def test_a_hostile_pickle_is_refused_by_name(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "run"),)

    source = save(tmp_path / "model.ckpt", {"state_dict": tensors(), "bad": Hostile()}, legacy=False)
    with pytest.raises(UnsafeFileError, match=r"refers to “posix\.mkdir”"):
        convert(source)
    assert [path.name for path in tmp_path.iterdir()] == ["model.ckpt"]


@pytest.mark.parametrize(
    ("numbers", "dtype"), [("fp16", torch.float16), ("bf16", torch.bfloat16), ("fp32", torch.float32)]
)
def test_number_formats(tmp_path: Path, numbers: NumberFormat, dtype: torch.dtype) -> None:
    weights = tiny_sd1_tensors() | {SCHEDULE: torch.rand(1000)}
    found, _ = convert(save(tmp_path / "model.ckpt", weights, legacy=False), numbers=numbers)
    kept = {name for name, weight in weights.items() if name == SCHEDULE or not weight.is_floating_point()}
    assert len(kept) == 2
    assert_same(found, {name: weight if name in kept else weight.to(dtype) for name, weight in weights.items()})


def test_numbers_that_are_too_large_are_not_made_infinite(tmp_path: Path) -> None:
    source = save(tmp_path / "a.pt", {"a.weight": torch.tensor([1.0, 7e4]), "b": torch.ones(2)}, legacy=False)
    with pytest.raises(ModelFileError, match=r"a\.weight has numbers that are too large for float16"):
        convert(source, numbers="fp16")
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]
    infinite = save(tmp_path / "b.pt", {"a.weight": torch.tensor([1.0, torch.inf])}, legacy=False)
    assert_same(convert(infinite, numbers="fp16")[0], {"a.weight": torch.tensor([1.0, torch.inf]).half()})


def test_weights_in_8_bits_with_a_scale_become_what_they_mean(tmp_path: Path) -> None:
    weight = torch.tensor([[1.0, -2.0]]).to(torch.float8_e4m3fn)
    content = {"a.weight": weight, "a.scale_weight": torch.tensor(0.5), "a.bias": torch.ones(1)}
    save_file(content, tmp_path / "a.safetensors")
    assert_same(convert(tmp_path / "a.safetensors")[0], content)
    found, _ = convert(tmp_path / "a.safetensors", numbers="fp16", replace=True)
    assert_same(found, {"a.weight": torch.tensor([[0.5, -1.0]]).half(), "a.bias": torch.ones(1).half()})


@pytest.mark.parametrize(
    ("averages", "value", "left"), [("keep", 1.0, True), ("prefer", 2.0, False), ("drop", 1, False)]
)
def test_running_averages(tmp_path: Path, averages: Averages, value: float, left: bool) -> None:
    weights = {UNET: torch.ones(2, 4), AVERAGE: torch.full((2, 4), 2.0), "model_ema.decay": torch.tensor(0.9)}
    found, converted = convert(save(tmp_path / "a.ckpt", weights, legacy=False), averages=averages)
    assert torch.equal(found[UNET], torch.full((2, 4), value))
    assert (AVERAGE in found, "model_ema.decay" in found) == (left, left)
    assert converted.notes == ()


def test_a_checkpoint_with_or_without_nothing_but_running_averages(tmp_path: Path) -> None:
    only = save(tmp_path / "only.ckpt", {AVERAGE: torch.ones(2)}, legacy=False)
    with pytest.raises(ModelFileError, match="no other weights than its running averages"):
        convert(only, averages="drop")
    found, converted = convert(only, averages="prefer")
    assert (list(found), len(converted.notes)) == ([AVERAGE], 1)
    plain = save(tmp_path / "plain.ckpt", {UNET: torch.ones(2)}, legacy=False)
    assert "no running averages" in convert(plain, averages="drop", replace=True)[1].notes[0]


def test_an_embedding_is_found_by_a1111(tmp_path: Path) -> None:
    vectors = embedding_writers.vectors(3)
    source = embedding_writers.save(tmp_path / "cat.pt", embedding_writers.trained(vectors))
    assert_same(convert(source)[0], {"emb_params": vectors})
    assert torch.equal(read_embedding(tmp_path / "converted.safetensors").parts[""], vectors)
    said = {"format": "pt", "name": "inner name", "step": "100", "sd_checkpoint": "7460a6fa"}
    assert texts(tmp_path / "converted.safetensors") == said | {"sd_checkpoint_name": "model"}
    pair = {"clip_g": torch.ones(2, 1280), "clip_l": torch.ones(2, 768)}
    assert_same(convert(save(tmp_path / "xl.pt", pair, legacy=False), replace=True)[0], pair)
    concept = {"<cat-toy>": torch.ones(768)}
    source = save(tmp_path / "learned_embeds.bin", concept, legacy=False)
    assert_same(convert(source, replace=True)[0], {"emb_params": torch.ones(768)})


def test_a_hypernetwork_is_left_as_it_is(tmp_path: Path) -> None:
    net = hypernetwork_writers.network(320, [1, 2, 1], None)
    source = hypernetwork_writers.write_hypernetwork(tmp_path / "h.pt", {320: (net, net)}, {})
    with pytest.raises(ModelFileError, match="is a hypernetwork"):
        convert(source)


def test_a_lora_in_a_pickle(tmp_path: Path) -> None:
    weights = {
        "lora_unet_a.lora_up.weight": torch.rand(8, 2),
        "lora_unet_a.lora_down.weight": torch.rand(2, 8),
        "lora_unet_a.alpha": torch.tensor(1.0),
    }
    source = save(tmp_path / "l.pt", OrderedDict(weights), legacy=False)
    assert_same(convert(source)[0], weights)


def test_metadata_are_kept_but_for_hashes_that_are_not_true_any_more(tmp_path: Path) -> None:
    said = {"ss_output_name": "x", "sshs_model_hash": "a" * 64, "modelspec.hash_sha256": "b", "modelspec.title": "日本"}
    save_file({"a.lora_up.weight": torch.ones(2, 2)}, tmp_path / "a.safetensors", metadata=said)
    convert(tmp_path / "a.safetensors", numbers="fp16")
    kept = {"ss_output_name": "x", "modelspec.title": "日本", "format": "pt"}
    assert texts(tmp_path / "converted.safetensors") == kept


def test_a_file_is_replaced_only_if_that_is_asked_for(tmp_path: Path) -> None:
    target = tmp_path / "converted.safetensors"
    target.write_text("precious")
    source = save(tmp_path / "a.pt", {"a.weight": torch.ones(2)}, legacy=False)
    with pytest.raises(OutputError, match=r"converted\.safetensors is there already"):
        convert(source)
    assert target.read_text() == "precious"
    assert_same(convert(source, replace=True)[0], {"a.weight": torch.ones(2)})
    assert_same(convert(target, replace=True, numbers="fp16", target=target)[0], {"a.weight": torch.ones(2).half()})
    with pytest.raises(OutputError, match="is a folder"):
        convert(source, target=tmp_path, replace=True)


@pytest.mark.parametrize("content", [{}, {"a": 1}])
def test_a_file_without_weights(tmp_path: Path, content: dict[str, Any]) -> None:
    with pytest.raises(ModelFileError, match="holds no weights"):
        convert(save(tmp_path / "a.pt", content, legacy=False))


def test_files_that_are_no_models(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="is a folder"):
        convert(tmp_path)
    with pytest.raises(ModelFileError, match="no longer in"):
        convert(tmp_path / "gone.ckpt")


def test_a_full_disk_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = save(tmp_path / "a.pt", {"a.weight": torch.ones(200)}, legacy=False)
    usage = shutil.disk_usage(tmp_path)._replace(free=300)

    def little(_: Path) -> object:
        return usage

    monkeypatch.setattr(shutil, "disk_usage", little)
    with pytest.raises(OutputError, match="and only 300 are free"):
        convert(source)
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EACCES])
def test_a_fault_while_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: int) -> None:
    source = save(tmp_path / "a.pt", {"a.weight": torch.ones(200)}, legacy=False)

    def refuse(*_: object) -> None:
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr(safetensors_writer, "_write", refuse)
    with pytest.raises(OutputError, match=f"Cannot write .*: {os.strerror(fault)}"):
        convert(source)
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, Interrupted])
def test_who_stops_it_finds_no_half_file(tmp_path: Path, stop: type[BaseException]) -> None:
    source = save(tmp_path / "a.pt", {"a.weight": torch.ones(2), "b.weight": torch.ones(2)}, legacy=False)
    token, progress = CancelToken(), list[float]()

    def on_progress(fraction: float) -> None:
        progress.append(fraction)
        if stop is KeyboardInterrupt:
            raise KeyboardInterrupt
        token.interrupt()

    conversion = Conversion(source=source, target=tmp_path / "b.safetensors")
    with pytest.raises(stop):
        convert_file(conversion, on_progress, token)
    assert progress == [0.5]
    assert list(tmp_path.iterdir()) == [source]
