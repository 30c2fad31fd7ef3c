"""What is computed tile by tile, against diffusers' network that computes all at once."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from modules.core.errors import Interrupted
from modules.families import vae_tiles
from modules.families.architecture import VaeArchitecture
from modules.families.seamless import seamless
from modules.families.vae import build_vae
from modules.families.vae_tiles import decode_in_tiles, encode_in_tiles

HEIGHT, WIDTH = 17, 22  # cells of a latent: 136×176 px, no multiples of a tile


def network(*, residual_blocks: int = 2, levels: int = 4) -> nn.Module:
    """Return an autoencoder as SD's, but narrow and with random weights."""
    multipliers = (1, 2, 2, 2)[:levels]
    module = build_vae(VaeArchitecture(channels=32, channel_mult=multipliers, num_res_blocks=residual_blocks))
    module.to_empty(device="cpu").requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.normal_(std=0.1, generator=generator)
    return module


def uneven(*shape: int) -> Tensor:
    """Return a map that is livelier and brighter at one side."""
    noise = torch.randn(1, *shape, generator=torch.Generator().manual_seed(1))
    slope = torch.linspace(0, 2, shape[-1])
    return noise * slope + slope


LATENT, PICTURE = uneven(4, HEIGHT, WIDTH), uneven(3, 8 * HEIGHT, 8 * WIDTH) / 3


def decoded(module: nn.Module) -> Tensor:
    return cast("Any", module).decode(LATENT, return_dict=False)[0]


def encoded(module: nn.Module) -> Tensor:
    return cast("Any", module).encode(PICTURE, return_dict=False)[0].mean


def never() -> None:
    """Nobody stops."""


def off(tiled: Tensor, whole: Tensor) -> float:
    """Return by how much two pictures or latents differ on average, in standard deviations."""
    assert tiled.shape == whole.shape
    return ((tiled - whole).abs().mean() / whole.std()).item()


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vae_tiles, "TILE", 64)
    monkeypatch.setattr(vae_tiles, "SQUARE", 32)
    monkeypatch.setattr(vae_tiles, "SQUARES", 8)


@pytest.fixture
def measured_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All squares are normalised together, so that nothing is estimated."""
    monkeypatch.setattr(vae_tiles, "SQUARE", 64)
    monkeypatch.setattr(vae_tiles, "SQUARES", 1000)


@contextmanager
def watched(module: nn.Module) -> Generator[list[int]]:
    """In this context it is written down how large the outputs of convolutions are."""
    sizes: list[int] = []

    def write_down(_layer: nn.Module, _arguments: object, output: Tensor) -> None:
        sizes.append(output.numel())

    hooks = [layer.register_forward_hook(write_down) for layer in module.modules() if isinstance(layer, nn.Conv2d)]
    yield sizes
    for hook in hooks:
        hook.remove()


@pytest.mark.usefixtures("measured_at_once")
@pytest.mark.parametrize(("blocks", "levels"), [(1, 4), (2, 4), (3, 4), (2, 2)])
def test_tiles_see_as_much_of_their_surroundings_as_they_need(blocks: int, levels: int) -> None:
    module = network(residual_blocks=blocks, levels=levels)
    torch.testing.assert_close(decode_in_tiles(module, LATENT, never), decoded(module), rtol=0, atol=5e-6)
    torch.testing.assert_close(encode_in_tiles(module, PICTURE, never), encoded(module), rtol=0, atol=5e-6)


@pytest.mark.usefixtures("measured_at_once")
def test_tiles_at_an_edge_see_the_opposite_one_where_edges_fit_together() -> None:
    module = network()
    with seamless(module):
        whole, tiled = decoded(module), decode_in_tiles(module, LATENT, never)
        torch.testing.assert_close(tiled, whole, rtol=0, atol=5e-6)
        # At the lower and the right edge diffusers' encoder sees nothing while it shrinks a picture, and tiles see on.
        assert off(encode_in_tiles(module, PICTURE, never), encoded(module)) < 0.05


def test_tiles_are_normalised_as_the_whole() -> None:
    module = network()
    assert off(decode_in_tiles(module, LATENT, never), decoded(module)) < 0.001
    assert off(encode_in_tiles(module, PICTURE, never), encoded(module)) < 0.0005


def test_tiles_need_less_memory() -> None:
    module = network()
    with watched(module) as whole:
        decoded(module)
        encoded(module)
    with watched(module) as tiled:
        decode_in_tiles(module, LATENT, never)
        encode_in_tiles(module, PICTURE, never)
    assert max(tiled) < max(whole) / 1.5


def test_a_picture_of_one_tile_is_exactly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vae_tiles, "TILE", 8 * WIDTH)
    module = network()
    assert decode_in_tiles(module, LATENT, never).equal(decoded(module))
    assert encode_in_tiles(module, PICTURE, never).equal(encoded(module))


def test_a_tiny_picture_can_be_seamless() -> None:
    module = network()
    with seamless(module):
        assert decode_in_tiles(module, LATENT[:, :, :1, :], never).shape == (1, 3, 8, 8 * WIDTH)


def test_16_bits_stay_16_bits() -> None:
    module = network()
    whole = decoded(module)
    nn.Module.to(module, torch.bfloat16)
    tiled = decode_in_tiles(module, LATENT.bfloat16(), never)
    assert tiled.dtype == torch.bfloat16
    assert off(tiled.float(), whole) < 0.05


def test_one_can_stop_before_each_tile() -> None:
    module, left = network(), 5

    def stop() -> None:
        nonlocal left
        left -= 1
        if not left:
            raise Interrupted

    with pytest.raises(Interrupted):
        decode_in_tiles(module, LATENT, stop)
    calls = list[None]()
    decode_in_tiles(module, LATENT, lambda: calls.append(None))
    assert len(calls) == 3 * 3 + 4  # tiles, and sets of squares
