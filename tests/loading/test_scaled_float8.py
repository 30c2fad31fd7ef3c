"""Weights of 8 bits in files, without a scale and with one."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]  # os.PathLike without argument
from torch import Tensor

from modules.core.errors import ModelFileError
from modules.families.base import LoadedModel
from modules.hardware.dtype import Precision
from modules.loading.build import load_checkpoint
from tests.loading.stub_models import CPU, FLOAT
from tests.tiny_checkpoint import UNET, tiny_sd1_tensors, write_yaml

Tensors = dict[str, Tensor]
BFLOAT = Precision(network=torch.bfloat16, vae=torch.bfloat16, text=torch.float32)
FORMATS = (torch.float8_e4m3fn, torch.float8_e5m2)


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    return tiny_sd1_tensors()


def load(folder: Path, tensors: Tensors, precision: Precision = FLOAT) -> LoadedModel:
    path = folder / "x.safetensors"
    save_file(tensors, path)
    write_yaml(path)
    return load_checkpoint(path, config=path.with_suffix(".yaml"), device=CPU, precision=precision)


def is_weight(name: str) -> bool:
    return name.startswith(UNET) and name.endswith(".weight")


def assert_weights(model: LoadedModel, expected: Tensors, name: str, ours: str) -> None:
    assert torch.equal(model.network.state_dict()[ours], expected[UNET + name].to(model.dtype))


def scaled(tensors: Tensors, dtype: torch.dtype, *, new_names: bool = False) -> tuple[Tensors, Tensors]:
    """Return the tensors as ComfyUI quantises them, the largest number becoming the format's, and their values."""
    written, values = Tensors(), Tensors()
    weight_scale, input_scale = ("weight_scale", "input_scale") if new_names else ("scale_weight", "scale_input")
    for name, tensor in tensors.items():
        if not is_weight(name) or tensor.ndim < 2:
            written[name] = values[name] = tensor
            continue
        scale = tensor.float().abs().max() / torch.finfo(dtype).max
        layer = name.removesuffix("weight")
        written[name] = (tensor.float() / scale).to(dtype)
        written[layer + weight_scale] = scale.reshape(1) if "out" in name else scale
        written[layer + input_scale] = torch.tensor(1.0)
        values[name] = written[name].float() * scale
    return written, values


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("precision", [FLOAT, BFLOAT], ids=["float32", "bfloat16"])
def test_files_of_8_bits(tmp_path: Path, tensors: Tensors, dtype: torch.dtype, precision: Precision) -> None:
    written = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    model = load(tmp_path, written, precision)
    assert model.dtype == precision.network
    assert_weights(model, written, "input_blocks.1.0.in_layers.2.weight", "down_blocks.0.resnets.0.conv1.weight")
    assert_weights(model, written, "out.0.weight", "conv_norm_out.weight")


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("new_names", [False, True])
def test_weights_are_multiplied_by_their_scales(
    tmp_path: Path, tensors: Tensors, dtype: torch.dtype, new_names: bool
) -> None:
    written, values = scaled(tensors, dtype, new_names=new_names)
    mark = {UNET + "input_blocks.0.0.comfy_quant": torch.zeros(3, dtype=torch.uint8)}
    mark |= {} if new_names else {UNET + "scaled_fp8": torch.empty(0, dtype=dtype)}
    model = load(tmp_path, written | mark)
    assert_weights(model, values, "input_blocks.1.0.in_layers.2.weight", "down_blocks.0.resnets.0.conv1.weight")
    assert_weights(model, values, "out.2.weight", "conv_out.weight")
    assert_weights(model, values, "out.2.bias", "conv_out.bias")


def test_a_mark_without_scales_means_nothing(tmp_path: Path, tensors: Tensors) -> None:
    model = load(tmp_path, tensors | {"scaled_fp8": torch.empty(2, dtype=torch.float8_e4m3fn)})
    assert_weights(model, tensors, "out.2.weight", "conv_out.weight")


@pytest.mark.parametrize("fault", ["two numbers", "no weight", "16 bits"])
def test_a_scale_that_is_none_is_refused(tmp_path: Path, tensors: Tensors, fault: str) -> None:
    written, _ = scaled(tensors, torch.float8_e4m3fn)
    match fault:
        case "two numbers":
            written[UNET + "out.2.scale_weight"] = torch.ones(2)
        case "no weight":
            del written[UNET + "out.2.weight"]
        case _:
            written[UNET + "out.2.weight"] = tensors[UNET + "out.2.weight"]
    with pytest.raises(ModelFileError, match=r"“x\.safetensors” .*the scale of .*out\.2\.weight is not one number"):
        load(tmp_path, written)
