"""Tiny networks of random weights, and what their modules make of random numbers."""

import torch
from torch import Tensor, nn

from modules.adapters.adapter_file import Adapter
from modules.adapters.kinds.base import Use
from modules.adapters.weights import changed
from modules.families.architecture import ClipTextArchitecture, TransformerDepths, UNetArchitecture
from modules.families.clip import build_clip_text
from modules.families.unet import build_unet
from tests.adapters.networks import named_modules

UNET = UNetArchitecture(
    model_channels=32,
    channel_mult=(1, 2),
    depths=TransformerDepths.regular((1, 0), middle=1, num_res_blocks=1),
    heads=(2, 2),
    context_dim=24,
)
TEXT = ClipTextArchitecture(
    vocab_size=100,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=2,
    max_position_embeddings=77,
)


def tiny_unet() -> nn.Module:
    """A UNet of two levels, with transformers in the first one and in the middle."""
    return _filled(build_unet(UNET))


def tiny_text_encoder() -> nn.Module:
    """A text encoder of two layers."""
    return _filled(build_clip_text(TEXT))


def _filled(network: nn.Module) -> nn.Module:
    network.to_empty(device="cpu").requires_grad_(False).eval()
    generator = torch.Generator().manual_seed(1)
    for parameter in network.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return network


def fill(module: nn.Module, seed: int, scale: float = 0.2) -> None:
    """Draw all parameters of a tool's adapter, which begin with those that change nothing."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * scale)


def apply(adapter: Adapter, network: nn.Module, component: str, use: Use) -> None:
    """Change the weights of a network for good."""
    for target, changes in adapter.changes.items():
        if target.component == component:
            parameter = network.get_parameter(target.parameter)
            changed(parameter, [(change, use) for change in changes], out=parameter.data)


def outputs(network: nn.Module, layers: nn.Module) -> dict[str, Tensor]:
    """What the layers of a network, which a tool may have replaced, make of random numbers, by their paths.

    Args:
        network: the network.
        layers: the same as it was made.
    """
    made: dict[str, Tensor] = {}
    for name, layer in named_modules(layers):
        shape = _input_shape(layer)
        if shape is not None:
            with torch.no_grad():
                given = torch.randn(shape, generator=torch.Generator().manual_seed(2))
                made[name] = network.get_submodule(name)(given)
    return made


def _input_shape(module: nn.Module) -> tuple[int, ...] | None:
    match module:
        case nn.Linear():
            return (2, 5, module.in_features)
        case nn.Conv2d():
            return (2, module.in_channels, 6, 6)
        case nn.GroupNorm():
            return (2, module.num_channels, 6, 6)
        case nn.LayerNorm():
            return (2, 5, *module.normalized_shape)
        case _:
            return None


def assert_same(ours: nn.Module, theirs: nn.Module, plain: nn.Module, *, at_least: int) -> None:
    """Assert that all layers make the same.

    Args:
        ours: with changed weights.
        theirs: with the adapters of a tool.
        plain: before both.
        at_least: how many layers do something else than they did.
    """
    expected, before, changed_layers = outputs(theirs, plain), outputs(plain, plain), 0
    for name, output in outputs(ours, plain).items():
        size = expected[name].abs().max()
        assert (output - expected[name]).abs().max() < 1e-4 * size, name
        changed_layers += bool((output - before[name]).abs().max() > 1e-2 * size)
    assert changed_layers >= at_least
