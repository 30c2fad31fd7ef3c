import logging
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from modules.core.errors import EaselError
from modules.families.architecture import VaeArchitecture
from modules.families.vae import Vae, build_vae

SIZES = VaeArchitecture(channels=32, channel_mult=(1, 2), num_res_blocks=1)


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
