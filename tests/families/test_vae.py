import logging
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from modules.core.errors import EaselError
from modules.families import vae_tiles
from modules.families.architecture import VaeArchitecture
from modules.families.vae import Vae, VaeOptions, build_vae

SIZES = VaeArchitecture(channels=32, channel_mult=(1, 2), num_res_blocks=1)
F16, BF16, F32 = torch.float16, torch.bfloat16, torch.float32


def loaded(dtype: torch.dtype = torch.float32) -> Vae:
    module = build_vae(SIZES).to_empty(device="cpu").requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.normal_(std=0.1, generator=generator)
    nn.Module.to(module, dtype)
    return Vae(module, layout=torch.contiguous_format)


def picture() -> Tensor:
    return torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_the_latent_is_the_most_likely_one_of_diffusers() -> None:
    vae = loaded()
    expected = cast("Any", vae.module).encode(picture()).latent_dist.mean
    latent = vae.encode(picture())
    assert latent.shape == (1, 4, 8, 12)
    assert latent.equal(expected)


def test_an_encoder_that_overflows_is_computed_in_float32_from_then_on(caplog: pytest.LogCaptureFixture) -> None:
    vae, dtypes = loaded(torch.bfloat16), list[torch.dtype]()

    def overflow(_module: nn.Module, arguments: tuple[Tensor]) -> tuple[Tensor] | None:
        dtypes.append(arguments[0].dtype)
        return (arguments[0] * torch.inf,) if arguments[0].dtype == torch.bfloat16 else None

    vae.module.get_submodule("encoder").register_forward_pre_hook(overflow)
    with caplog.at_level(logging.WARNING):
        latent = vae.encode(picture())
    assert latent.dtype == torch.float32
    assert dtypes == [torch.bfloat16, torch.float32]
    assert caplog.text.count("overflowed") == 1


def test_a_picture_without_numbers_is_an_error() -> None:
    with pytest.raises(EaselError, match="NaN"):
        loaded().encode(picture() * torch.nan)


# What float16 cannot hold


def overflowing() -> Vae:
    """Return a VAE whose pictures are too bright for float16 (65504 is its largest number), but not for bfloat16."""
    vae = loaded(F16)
    vae.module.get_parameter("decoder.conv_norm_out.weight").fill_(50)
    vae.module.get_parameter("decoder.conv_out.weight").mul_(50000)
    return vae


def latent() -> Tensor:
    return torch.randn(1, 4, 6, 5, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(
    ("retry_in", "becomes"),
    [((F32,), F32), ((BF16,), BF16), ((BF16, F32), BF16)],
    ids=["float32", "bfloat16", "bfloat16 first"],
)
def test_formats_are_tried_in_order_and_the_first_good_one_is_kept(
    retry_in: tuple[torch.dtype, ...], becomes: torch.dtype
) -> None:
    vae = overflowing()
    assert vae.changed_to is None
    made = vae.decode(latent(), VaeOptions(retry_in=retry_in))
    assert torch.isfinite(made).all()
    assert vae.dtype == vae.changed_to == becomes
    assert vae.decode(latent()).equal(made)


def test_bfloat16_that_overflows_too_gives_way_to_float32() -> None:
    vae = loaded(F16)
    seen: list[torch.dtype] = []

    def overflow(_module: nn.Module, arguments: tuple[Tensor]) -> tuple[Tensor] | None:
        seen.append(arguments[0].dtype)
        return None if arguments[0].dtype == F32 else (arguments[0] * torch.inf,)

    vae.module.get_submodule("encoder").register_forward_pre_hook(overflow)
    assert torch.isfinite(vae.encode(picture(), VaeOptions(retry_in=(BF16, F32)))).all()
    assert seen == [F16, BF16, F32]


@pytest.mark.parametrize("dtype", [F16, BF16])
def test_without_another_format_the_remedies_are_named(dtype: torch.dtype) -> None:
    vae = overflowing()
    nn.Module.to(vae.module, dtype)
    vae.module.get_parameter("decoder.conv_out.weight").fill_(torch.inf)
    retry_in = () if dtype == F16 else (BF16,)  # a format is not tried twice
    with pytest.raises(EaselError, match=rf"in {str(dtype)[6:]}.*auto_vae_precision.*--no-half-vae"):
        vae.decode(latent(), VaeOptions(retry_in=retry_in))
    assert vae.dtype == dtype
    assert vae.changed_to is None


def test_weights_that_are_damaged_are_named() -> None:
    vae = loaded(BF16)
    vae.module.get_parameter("decoder.conv_out.weight").fill_(torch.nan)
    with pytest.raises(EaselError, match="even in float32"):
        vae.decode(latent())


def test_a_latent_without_numbers_is_no_reason_to_change() -> None:
    vae = loaded(BF16)
    with pytest.raises(EaselError, match=r"checkpoint.*NaN.*upcast_attn.*--no-half"):
        vae.decode(latent() * torch.nan)
    assert vae.dtype == BF16


def test_changed_weights_can_still_be_changed_in_place() -> None:
    vae = overflowing()
    with torch.inference_mode():
        vae.decode(latent())
    assert not any(weights.is_inference() for weights in vae.module.parameters())


def test_a_change_that_broke_off_is_finished() -> None:
    vae = overflowing()
    first = next(vae.module.parameters())
    vae.changed_to = F32
    first.data = first.data.float()  # as far as memory sufficed
    assert torch.isfinite(vae.decode(latent())).all()
    assert {weights.dtype for weights in vae.module.parameters()} == {F32}


# Tiles


def test_tiles_are_used_where_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vae_tiles, "TILE", 8)
    vae, calls = loaded(), list[None]()
    options = VaeOptions(tiled=True, check=lambda: calls.append(None))
    torch.testing.assert_close(vae.decode(latent(), options), vae.decode(latent()), rtol=0, atol=0.01)
    assert len(calls) > 1
    calls.clear()
    torch.testing.assert_close(vae.encode(picture(), options), vae.encode(picture()), rtol=0, atol=0.01)
    assert len(calls) > 1


def test_what_overflows_in_tiles_is_changed_too() -> None:
    vae = overflowing()
    assert torch.isfinite(vae.decode(latent(), VaeOptions(tiled=True))).all()
    assert vae.changed_to == F32


def test_large_pictures_need_less_memory_in_tiles() -> None:
    vae = loaded(F16)
    whole, tiled = (vae.working_bytes(2048, 1024, tiled=tiled) for tiled in (False, True))
    assert whole == 2048 * 1024 * 1024 * 2
    assert tiled < whole / 3
    assert vae.working_bytes(64, 64, tiled=True) == vae.working_bytes(64, 64)
    assert loaded().working_bytes(64, 64) == 2 * vae.working_bytes(64, 64)
