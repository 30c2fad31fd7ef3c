"""Models whose layers keep their weights in 8 bits."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from modules.conditioning.conditioning import Conditioning
from modules.core.cancellation import CancelToken
from modules.core.errors import Interrupted
from modules.core.settings import Settings
from modules.families.base import LoadedModel
from modules.hardware.dtype import Precision
from modules.hardware.float8 import FLOAT8, Float8Layer, exact_parameter, float8_layers, to_float8
from modules.loading import build
from modules.loading.build import load_checkpoint
from modules.loading.options import LoadOptions
from tests.checkpoint_variants import write_diffusers_folder
from tests.loading.stub_models import CPU, FLOAT
from tests.recorded_checkpoint import write_recorded_checkpoint, write_recorded_sdxl
from tests.tiny_checkpoint import TEXT, UNET, tiny_sd1_tensors, write_tiny_sd1

BFLOAT = Precision(network=torch.bfloat16, vae=torch.bfloat16, text=torch.float32)
ON = LoadOptions(float8="Enable")
KEPT = LoadOptions(float8="Enable", keep_originals=True)


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    return tiny_sd1_tensors()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_sd1(tmp_path_factory.mktemp("models"))


def load(path: Path, options: LoadOptions, precision: Precision = FLOAT, device: torch.device = CPU) -> LoadedModel:
    config = path.with_suffix(".yaml")
    return load_checkpoint(
        path, config=config if config.is_file() else None, device=device, precision=precision, options=options
    )


def networks(model: LoadedModel) -> Iterator[nn.Module]:
    yield model.network
    for encoder in model.text_encoder.encoders:
        yield encoder.module


def test_layers_of_network_and_text_encoders_keep_8_bits_and_nothing_else(
    checkpoint: Path, tensors: dict[str, Tensor]
) -> None:
    model = load(checkpoint, ON, BFLOAT)
    for network, dtype in zip(networks(model), (torch.bfloat16, torch.float32), strict=True):
        for layer in network.modules():
            wanted = FLOAT8 if isinstance(layer, nn.Linear | nn.Conv2d) else dtype
            assert {parameter.dtype for parameter in layer.parameters(recurse=False)} <= {wanted}
    assert {parameter.dtype for parameter in model.vae.module.parameters()} == {torch.bfloat16}
    assert model.dtype == torch.bfloat16
    weight = model.network.get_parameter("down_blocks.0.resnets.0.conv1.weight")
    original = tensors[UNET + "input_blocks.1.0.in_layers.2.weight"]
    assert torch.equal(weight.float(), original.to(FLOAT8).float())
    assert weight.is_contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def test_it_computes_what_a_network_of_rounded_weights_computes(checkpoint: Path) -> None:
    plain, model = load(checkpoint, LoadOptions()), load(checkpoint, ON)
    for rounded, network in zip(networks(plain), networks(model), strict=True):
        for name in float8_layers(network):
            for parameter in rounded.get_submodule(name).parameters():
                parameter.copy_(to_float8(parameter))
    tokens = torch.arange(77)[None] * 600
    told = [loaded.text_encoder.encoders[0].encode(tokens, 1).vectors for loaded in (plain, model)]
    assert torch.equal(*told)
    x, t = torch.randn(2, 4, 8, 8), torch.tensor([1.5, 900.0])
    conditioning = Conditioning(cross_attention=told[0].expand(2, -1, -1))
    assert torch.equal(model.predict(x, t, conditioning), plain.predict(x, t, conditioning))


def test_a_setting_may_mean_sdxl_alone(tmp_path: Path) -> None:
    small = LoadOptions(float8="Enable for SDXL")
    sdxl, sd1 = write_recorded_sdxl(tmp_path), write_recorded_checkpoint(tmp_path)
    assert all(float8_layers(network) for network in networks(load(sdxl, small)))
    assert not any(float8_layers(network) for network in networks(load(sd1, small)))
    assert not any(float8_layers(network) for network in networks(load(sdxl, LoadOptions())))


def test_apples_processor_has_no_such_format() -> None:
    assert ON.wants_float8("SD 1.x", CPU)
    assert not ON.wants_float8("SD 1.x", torch.device("mps"))


def test_settings_say_how_it_is_read() -> None:
    assert LoadOptions.of(Settings()) == LoadOptions()
    assert LoadOptions.of(Settings(cache_fp16_weight=True)) == LoadOptions()  # there is nothing to keep
    assert LoadOptions.of(Settings(fp8_storage="Enable", cache_fp16_weight=True)) == KEPT
    assert LoadOptions.of(Settings(sd_checkpoint_use_ema=True)) == LoadOptions(averaged=True)


def test_originals_are_kept_in_16_bits_if_that_is_wished(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    folder = write_diffusers_folder(tmp_path / "folder", tensors)
    name, stored = "down_blocks.0.resnets.0.conv1.weight", UNET + "input_blocks.1.0.in_layers.2.weight"
    model = load(folder, KEPT)
    assert torch.equal(exact_parameter(model.network, name), tensors[stored])
    text = model.text_encoder.encoders[0].module
    name, stored = "encoder.layers.1.mlp.fc1.bias", TEXT + "encoder.layers.1.mlp.fc1.bias"
    assert torch.equal(exact_parameter(text, name), tensors[stored])
    without = load(folder, ON)
    assert exact_parameter(without.network, "conv_in.weight").dtype == FLOAT8


def test_keeping_originals_can_be_interrupted(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = CancelToken()

    def layers(network: nn.Module) -> dict[str, Float8Layer]:
        token.interrupt()
        return float8_layers(network)

    monkeypatch.setattr("modules.loading.place.float8_layers", layers)
    with pytest.raises(Interrupted):
        build.load_checkpoint(checkpoint, config=None, device=CPU, precision=FLOAT, options=KEPT, token=token)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@torch.inference_mode()
def test_on_an_accelerator_the_weights_are_the_same(checkpoint: Path) -> None:
    half, cuda = Precision(network=torch.float16, vae=torch.float16, text=torch.float16), torch.device("cuda", 0)
    model, here = load(checkpoint, KEPT, half, cuda), load(checkpoint, ON)
    for name, parameter in here.network.named_parameters():
        there = model.network.get_parameter(name)
        assert there.device == cuda
        assert there.dtype in (FLOAT8, torch.float16)
        assert torch.equal(there.float().cpu(), parameter.float())
    assert exact_parameter(model.network, "conv_in.weight").device == cuda
    x, t, told = torch.randn(1, 4, 8, 8), torch.tensor([300.0]), torch.randn(1, 77, 32)
    ours = model.predict(x.to(cuda), t.to(cuda), Conditioning(cross_attention=told.to(cuda)))
    expected = here.predict(x, t, Conditioning(cross_attention=told))
    torch.testing.assert_close(ours.cpu(), expected, atol=0.05, rtol=0.05)
