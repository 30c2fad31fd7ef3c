"""What settings and requests change in networks reaches every checkpoint of a request, and only that request."""

import weakref
from typing import cast

import pytest
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn

from modules.core.cancellation import CancelToken
from modules.core.events import JobEvent, Progress
from modules.core.parameters import HiresFix, Refiner, Txt2Img
from modules.core.settings import with_changes
from modules.families.attention import Float32Attention
from modules.families.base import LoadedModel
from modules.pipeline.runner import PipelineRunner
from tests.pipeline.running import UNSAVED, run

CAT = Txt2Img(prompt="a cat", sampler="Euler", steps=2, seed=5, width=64, height=64, make_grid=False, batch_count=2)
REQUESTS = {
    "alone": CAT,
    "refiner": CAT.model_copy(update={"refiner": Refiner(checkpoint="tiny-sd1b", switch_at=0.4)}),
    "hires": CAT.model_copy(
        update={"hires": HiresFix(scale=1.5, steps=2, denoising_strength=0.6, checkpoint="tiny-sd1b")}
    ),
}


class Watched:
    """Looks at networks when they are called.

    Attributes:
        models: the networks that were called.
        seen: whether edges fit together in it and whether attention is in float32, at each call of a network.
        decoded: whether edges fit together, at each call of an autoencoder.
    """

    def __init__(self) -> None:
        self.models: weakref.WeakSet[nn.Module] = weakref.WeakSet()
        self.seen: set[tuple[bool, bool]] = set()
        self.decoded: set[bool] = set()

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        predict, decode = LoadedModel.predict, LoadedModel.decode

        def predicted(model: LoadedModel, *given: object) -> Tensor:
            self.models.add(model.network)
            self.seen.add((is_seamless(model.network), is_float32(model.network)))
            return predict(model, *given)  # pyright: ignore[reportArgumentType] # as they were given

        def decoded(model: LoadedModel, *given: object) -> Tensor:
            self.decoded.add(is_seamless(model.vae.module))
            return decode(model, *given)  # pyright: ignore[reportArgumentType]

        monkeypatch.setattr(LoadedModel, "predict", predicted)
        monkeypatch.setattr(LoadedModel, "decode", decoded)


def is_seamless(network: nn.Module) -> bool:
    [seamless] = {layer.padding_mode == "circular" for layer in network.modules() if isinstance(layer, nn.Conv2d)}
    return seamless


def is_float32(network: nn.Module) -> bool:
    processors = cast("UNet2DConditionModel", network).attn_processors.values()
    [float32] = {isinstance(processor, Float32Attention) for processor in processors}
    return float32


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched = Watched()
    watched.install(monkeypatch)
    return watched


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("tiling", [True, False])
@pytest.mark.parametrize("float32", [True, False])
def test_every_model_of_a_request_is_changed_and_is_itself_again(
    runner: PipelineRunner, watched: Watched, name: str, tiling: bool, float32: bool
) -> None:
    run(runner, REQUESTS[name], with_changes(UNSAVED, {"tiling": tiling, "upcast_attn": float32}))
    assert len(watched.models) == (1 if name == "alone" else 2)
    assert (watched.seen, watched.decoded) == ({(tiling, float32)}, {tiling})
    assert not any(is_seamless(network) or is_float32(network) for network in watched.models)


def test_the_request_wins_over_the_setting_for_the_refiner_too(runner: PipelineRunner, watched: Watched) -> None:
    request = REQUESTS["refiner"].model_copy(update={"tiling": False})
    run(runner, request, with_changes(UNSAVED, {"tiling": True}))
    assert watched.seen == {(False, False)}


def test_models_are_themselves_again_after_an_interruption(runner: PipelineRunner, watched: Watched) -> None:
    def stop(event: JobEvent, token: CancelToken) -> None:
        if isinstance(event, Progress) and len(watched.models) == 2:
            token.interrupt()

    settings = with_changes(UNSAVED, {"tiling": True, "upcast_attn": True})
    run(runner, REQUESTS["refiner"], settings, react=stop)
    assert watched.seen == {(True, True)}
    assert not any(is_seamless(network) or is_float32(network) for network in watched.models)
