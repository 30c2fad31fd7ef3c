import logging
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from modules.conditioning.conditioning import Conditioning
from modules.core.errors import EaselError, InvalidRequest
from modules.families.base import LoadedModel
from modules.families.clip import ClipTextEncoder
from modules.hardware.dtype import Precision
from modules.loading.build import load_checkpoint
from tests.tiny_checkpoint import write_tiny_sd1

BF16, F32 = torch.bfloat16, torch.float32


def load(folder: pytest.TempPathFactory, dtype: torch.dtype) -> LoadedModel:
    path = write_tiny_sd1(folder.mktemp("tiny"))
    precision = Precision(network=dtype, vae=dtype, text=F32)
    return load_checkpoint(path, config=path.with_suffix(".yaml"), device=torch.device("cpu"), precision=precision)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadedModel]:
    with torch.inference_mode():
        yield load(tmp_path_factory, F32)


@pytest.fixture
def half(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load(tmp_path_factory, BF16)


def inputs(seed: int = 0) -> tuple[Tensor, Tensor, Conditioning]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 4, 8, 8, generator=generator)
    told = Conditioning(cross_attention=torch.randn(2, 77, 32, generator=generator))
    return x, torch.tensor([500.25, 10.0]), told


def test_predict_returns_float32_whatever_the_network_computes_in(full: LoadedModel, half: LoadedModel) -> None:
    with torch.inference_mode():
        exact, rough = full.predict(*inputs()), half.predict(*inputs())
    assert exact.shape == (2, 4, 8, 8)
    assert exact.dtype == rough.dtype == F32
    assert 0 < (exact - rough).abs().max() < 0.1 * exact.abs().max()


def test_timesteps_are_not_rounded(full: LoadedModel) -> None:
    x, t, told = inputs()
    with torch.inference_mode():
        assert not torch.equal(full.predict(x, t, told)[0], full.predict(x, t.round(), told)[0])


def test_nothing_asks_for_gradients(full: LoadedModel) -> None:
    assert not full.predict(*inputs()).requires_grad


def test_clip_skip_beyond_the_first_layer_is_an_error(full: LoadedModel) -> None:
    tokens, encoder = torch.zeros(1, 77, dtype=torch.int64), full.text_encoder.encoders[0]
    assert encoder.encode(tokens, 3).vectors.shape == (1, 77, 32)
    with pytest.raises(InvalidRequest, match="has 3 layers"):
        encoder.encode(tokens, 4)


def test_clip_skip_takes_an_earlier_layer_and_norms_it(full: LoadedModel) -> None:
    tokens, encoder = torch.arange(77)[None], full.text_encoder.encoders[0]
    last, before = encoder.encode(tokens, 1).vectors, encoder.encode(tokens, 2).vectors
    assert not torch.allclose(last, before)
    assert isinstance(encoder, ClipTextEncoder)
    module = cast("Any", encoder.module)
    hidden: Tensor = module(tokens, output_hidden_states=True).hidden_states[-2]
    assert torch.equal(before, module.final_layer_norm(hidden))


def test_a_vae_that_overflows_is_computed_in_float32_from_then_on(
    half: LoadedModel, caplog: pytest.LogCaptureFixture
) -> None:
    dtypes: list[torch.dtype] = []

    def overflow(_module: nn.Module, arguments: tuple[Tensor]) -> tuple[Tensor] | None:
        dtypes.append(arguments[0].dtype)
        return (arguments[0] * torch.inf,) if arguments[0].dtype == BF16 else None

    half.vae.module.get_submodule("decoder").register_forward_pre_hook(overflow)
    with caplog.at_level(logging.WARNING), torch.inference_mode():
        picture = half.decode(torch.randn(1, 4, 8, 8))
        assert torch.isfinite(picture).all()
        half.decode(torch.randn(1, 4, 8, 8))
    assert dtypes == [BF16, F32, F32]
    assert caplog.text.count("overflowed") == 1


def test_a_latent_without_numbers_is_an_error_and_not_the_vaes_fault(half: LoadedModel) -> None:
    with pytest.raises(EaselError, match=r"NaN.*--no-half"), torch.inference_mode():
        half.decode(torch.full((1, 4, 8, 8), torch.nan))
    assert next(half.vae.module.parameters()).dtype == BF16


def test_a_vae_that_is_broken_in_float32_too_is_an_error(full: LoadedModel) -> None:
    def break_picture(_module: nn.Module, _arguments: tuple[Tensor], picture: Tensor) -> Tensor:
        return picture * torch.nan

    hook = full.vae.module.get_submodule("decoder").register_forward_hook(break_picture)
    with pytest.raises(EaselError, match="NaN"):
        full.decode(torch.zeros(1, 4, 8, 8))
    hook.remove()


def test_previews_have_the_colours_of_the_factors(full: LoadedModel) -> None:
    latent = torch.zeros(2, 4, 5, 7)
    latent[1, 3] = -2.0  # its factors are all negative: bright, and red least
    preview = full.latent_to_preview(latent)
    assert preview.shape == (2, 5, 7, 3)
    assert preview.dtype == np.uint8
    assert (preview[0] == 127).all()
    red, green, blue = preview[1, 0, 0].tolist()
    assert 127 < red < green < blue


def test_the_noise_levels_are_those_of_stable_diffusion(full: LoadedModel) -> None:
    assert full.noise.sigma_min == pytest.approx(0.0292, abs=1e-4)
    assert full.noise.sigma_max == pytest.approx(14.6146, abs=1e-4)
