"""Autoencoders that overflow, and memory that does not suffice for them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.autoencoders.vae import Decoder, Encoder
from PIL import Image
from torch import Tensor

from modules.core.cancellation import CancelToken
from modules.core.errors import EaselError, OutOfMemoryError
from modules.core.events import Cancelled
from modules.core.flags import Flags
from modules.core.parameters import HiresFix, Img2Img, Txt2Img
from modules.core.paths import resolve_paths
from modules.core.settings import with_changes
from modules.families import vae_tiles
from modules.hardware.dtype import Precision
from modules.library.model_library import open_library
from modules.pipeline import runner as running_pipeline
from modules.pipeline.runner import PipelineRunner
from tests.pipeline.running import UNSAVED, picture, pixels, run

CAT = Txt2Img(prompt="a cat", seed=1, steps=2, sampler="Euler", width=64, height=64)
AGAIN = Img2Img(
    prompt="a cat", seed=1, steps=2, width=64, height=64, images=(picture(Image.new("RGB", (64, 64), "red")),)
)
F16, BF16, F32 = torch.float16, torch.bfloat16, torch.float32
OVERFLOW, TILES = "The VAE overflowed", "The VAE worked in tiles because memory was short."

Network = type[Decoder] | type[Encoder]


def each_call(monkeypatch: pytest.MonkeyPatch, network: Network, change: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """Let `change` see what half of an autoencoder makes, and replace it; return the list of what it was given."""
    compute: Callable[..., Tensor] = network.forward
    given: list[Tensor] = []

    def forward(self: object, sample: Tensor, *others: object) -> Tensor:
        given.append(sample)
        return change(compute(self, sample, *others))

    monkeypatch.setattr(network, "forward", forward)
    return given


# Overflow


@pytest.fixture
def half(data: Path, monkeypatch: pytest.MonkeyPatch) -> PipelineRunner:
    """A pipeline whose VAEs compute in float16, as on most accelerators."""

    def precision(*_: object) -> Precision:
        return Precision(network=F32, vae=F16, text=F32)

    monkeypatch.setattr(running_pipeline, "choose_precision", precision)
    flags = Flags(data_dir=data, use_cpu=("all",))
    paths = resolve_paths(flags)
    return PipelineRunner(flags=flags, paths=paths, library=open_library(paths))


def overflow_in(*dtypes: torch.dtype) -> Callable[[Tensor], Tensor]:
    return lambda made: made * torch.nan if made.dtype in dtypes else made


@pytest.mark.parametrize(
    ("settings", "bad", "tried", "said"),
    [
        ({}, (F16,), [F16, F32], "float32"),
        ({"auto_vae_precision_bfloat16": True}, (F16,), [F16, BF16], "bfloat16"),
        ({"auto_vae_precision_bfloat16": True}, (F16, BF16), [F16, BF16, F32], "float32"),
        ({"auto_vae_precision_bfloat16": True, "auto_vae_precision": False}, (F16,), [F16, BF16], "bfloat16"),
    ],
)
def test_a_vae_that_overflows_changes_its_number_format_for_good_and_says_so(
    half: PipelineRunner,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    bad: tuple[torch.dtype, ...],
    tried: list[torch.dtype],
    said: str,
) -> None:
    given = each_call(monkeypatch, Decoder, overflow_in(*bad))
    result, _ = run(half, CAT, with_changes(UNSAVED, settings))
    assert [latent.dtype for latent in given] == tried
    assert result.notes[0].startswith(f"{OVERFLOW} in float16, so it computes in {said} from now on.")
    assert f"VAE precision: {said}" in result.images[0].infotext
    next_one, _ = run(half, CAT)
    assert [latent.dtype for latent in given] == [*tried, tried[-1]]
    assert not next_one.notes
    assert f"VAE precision: {said}" in next_one.images[0].infotext


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"auto_vae_precision": False}, "in float16"),
        ({"auto_vae_precision": False, "auto_vae_precision_bfloat16": True}, "in bfloat16"),
    ],
)
def test_an_overflow_that_settings_leave_alone_is_an_error_with_its_remedies(
    half: PipelineRunner, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], named: str
) -> None:
    each_call(monkeypatch, Decoder, overflow_in(F16, BF16))
    with pytest.raises(EaselError, match=rf"{named}.*auto_vae_precision.*--no-half-vae"):
        run(half, CAT, with_changes(UNSAVED, settings))


def test_pictures_that_overflow_are_encoded_anew(half: PipelineRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    given = each_call(monkeypatch, Encoder, overflow_in(F16))
    result, _ = run(half, AGAIN)
    assert [shown.dtype for shown in given] == [F16, F32]
    assert result.notes[0].startswith(OVERFLOW)
    assert "VAE precision: float32" in result.images[0].infotext


def test_nothing_is_said_of_a_vae_that_is_well(half: PipelineRunner) -> None:
    result, _ = run(half, CAT)
    assert not result.notes
    assert "VAE precision" not in result.images[0].infotext
    assert "VAE tiling" not in result.images[0].infotext


# Memory


def too_large(_made: Tensor) -> Tensor:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def test_pictures_that_do_not_fit_into_memory_are_decoded_in_tiles(
    runner: PipelineRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = CAT.model_copy(update={"batch_size": 2, "make_grid": False})
    usual, _ = run(runner, two)
    monkeypatch.setattr(vae_tiles, "TILE", 40)
    given = each_call(monkeypatch, Decoder, too_large)
    result, _ = run(runner, two)
    assert len(given) == 1  # it is not tried again in the same job
    assert result.notes == (TILES,)
    for tiled, whole in zip(result.images, usual.images, strict=True):
        assert "VAE tiling: True" in tiled.infotext
        assert np.abs(pixels(tiled.data) - pixels(whole.data)).max() <= 3
    run(runner, CAT)
    assert len(given) == 2  # but in the next one, when there may be more


def test_pictures_that_do_not_fit_into_memory_are_encoded_in_tiles(
    runner: PipelineRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    each_call(monkeypatch, Encoder, too_large)
    result, _ = run(runner, AGAIN)
    assert result.notes == (TILES,)
    assert "VAE tiling: True" in result.images[0].infotext


def test_inpainting_and_hires_fix_use_tiles_too(runner: PipelineRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    inpainting = with_changes(UNSAVED, {"sd_model_checkpoint": "tiny-sd1-inpainting"})
    hires = HiresFix(scale=1.5, steps=2, upscaler="Lanczos")
    each_call(monkeypatch, Encoder, too_large)
    assert run(runner, CAT, inpainting)[0].notes == (TILES,)
    assert run(runner, CAT.model_copy(update={"hires": hires}))[0].notes == (TILES,)
    each_call(monkeypatch, Decoder, too_large)
    assert run(runner, CAT.model_copy(update={"hires": hires}))[0].notes == (TILES,)


def test_memory_that_does_not_suffice_for_tiles_either_is_an_error(
    runner: PipelineRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("modules.families.vae.decode_in_tiles", fail)
    each_call(monkeypatch, Decoder, too_large)
    with pytest.raises(OutOfMemoryError, match="Choose a smaller"):
        run(runner, CAT)


def test_other_faults_are_not_taken_for_a_lack_of_memory(
    runner: PipelineRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_made: Tensor) -> Tensor:
        raise RuntimeError("a kernel is missing")

    given = each_call(monkeypatch, Decoder, fail)
    with pytest.raises(RuntimeError, match="a kernel is missing"):
        run(runner, CAT)
    assert len(given) == 1


def test_one_can_stop_between_tiles(runner: PipelineRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens: list[CancelToken] = []

    def stop(_made: Tensor) -> Tensor:
        tokens[0].interrupt()
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(vae_tiles, "TILE", 40)
    each_call(monkeypatch, Decoder, stop)
    result, events = run(runner, CAT, react=lambda _event, token: tokens.append(token))
    assert isinstance(events[-1], Cancelled)
    assert not result.images
