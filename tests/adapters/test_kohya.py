"""Files with the names of sd-scripts: those for all modules of full-size models, and what the layers make."""

from pathlib import Path

import torch
from torch import Tensor, nn

from modules.adapters.adapter_file import read_adapter
from modules.adapters.keys import Target, index_components
from modules.adapters.kinds.base import Use
from tests.adapters.adapter_files import SD1_METADATA, kohya_lora, write
from tests.adapters.networks import components, index_of
from tests.adapters.test_keys import kohya_names, kohya_sdxl_names, kohya_text_names
from tests.adapters.tiny_networks import apply, assert_same, tiny_text_encoder, tiny_unet


def _check(path: Path, family: str, names: dict[str, dict[str, str]]) -> None:
    """Write a file for the modules of these names, by component, and assert that each of them is meant and fits."""
    index = index_of(family)
    targets = {
        name: Target(component=component, parameter=f"{module}.weight")
        for component, modules in names.items()
        for name, module in modules.items()
    }
    write(path, kohya_lora(targets, [index.shapes[target] for target in targets.values()], rank=1))
    adapter = read_adapter(path, index)
    assert adapter.unmatched == ()
    assert set(adapter.changes) == set(targets.values())


def test_72_and_192_modules_of_sd_1_5(tmp_path: Path) -> None:
    networks = components("SD 1.x")
    names = {
        "unet": kohya_names(networks["unet"], "lora_unet", ("Transformer2DModel",)),
        "text_encoder": kohya_text_names(networks["text_encoder"], "lora_te"),
    }
    assert [len(modules) for modules in names.values()] == [192, 72]
    _check(tmp_path / "lora.safetensors", "SD 1.x", names)


def test_722_and_264_modules_of_sdxl(tmp_path: Path) -> None:
    networks = components("SDXL")
    names = {
        "unet": kohya_sdxl_names(),
        "text_encoder": kohya_text_names(networks["text_encoder"], "lora_te1"),
        "text_encoder_2": kohya_text_names(networks["text_encoder_2"], "lora_te2"),
    }
    assert [len(modules) for modules in names.values()] == [722, 72, 192]
    _check(tmp_path / "lora.safetensors", "SDXL", names)


class _LoraModule(nn.Module):
    """What sd-scripts' `LoRAModule` puts in place of a layer: its output and that of two layers of low rank."""

    def __init__(self, layer: nn.Module, tensors: dict[str, Tensor], multiplier: float) -> None:
        super().__init__()
        self._layer = layer
        self._down, self._up = (tensors[f"lora_{half}.weight"].float() for half in ("down", "up"))
        self._factor = multiplier * tensors["alpha"].item() / len(self._down)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if isinstance(self._layer, nn.Conv2d):
            inner = torch.conv2d(x, self._down, stride=self._layer.stride, padding=self._layer.padding)  # pyright: ignore[reportArgumentType,reportCallIssue]
            added = torch.conv2d(inner, self._up)
        else:
            added = x @ self._down.T @ self._up.T
        return self._layer(x) + self._factor * added


def test_layers_make_what_those_of_sd_scripts_make(tmp_path: Path) -> None:
    networks = {"unet": (tiny_unet(), tiny_unet()), "text_encoder": (tiny_text_encoder(), tiny_text_encoder())}
    names = {
        "unet": kohya_names(networks["unet"][0], "lora_unet", ("Transformer2DModel", "ResnetBlock2D", "Downsample2D")),
        "text_encoder": kohya_text_names(networks["text_encoder"][0], "lora_te"),
    }
    names["unet"]["lora_unet_down_blocks_0_resnets_0_conv1"] = "down_blocks.0.resnets.0.conv1"
    names["unet"]["lora_unet_down_blocks_0_downsamplers_0_conv"] = "down_blocks.0.downsamplers.0.conv"
    tensors: dict[str, Tensor] = {}
    for component, modules in names.items():
        ours, theirs = networks[component]
        layers = [ours.get_submodule(path) for path in modules.values()]
        shapes = [tuple(layer.get_parameter("weight").shape) for layer in layers]
        tensors |= kohya_lora(modules, shapes, seed=len(tensors))
        for name, path in modules.items():
            own = {
                key.removeprefix(f"{name}."): tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")
            }
            theirs.set_submodule(path, _LoraModule(theirs.get_submodule(path), own, 0.8))
    path = write(tmp_path / "lora.safetensors", tensors, SD1_METADATA)
    index = index_components({name: ours for name, (ours, _) in networks.items()}, family="SD 1.x")
    adapter = read_adapter(path, index)
    for component, (ours, _) in networks.items():
        apply(adapter, ours, component, Use(strength=0.8))
    assert_same(*networks["unet"], tiny_unet(), at_least=40)
    assert_same(*networks["text_encoder"], tiny_text_encoder(), at_least=12)
