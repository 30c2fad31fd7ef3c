"""Whether a network of SD 2.x predicts the noise or v is found by trying it."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from modules.conditioning.conditioning import Conditioning
from modules.families.architecture import TransformerDepths, UNetArchitecture
from modules.families.base import LoadedModel
from modules.families.sd1 import StableDiffusion1
from modules.families.sd2 import StableDiffusion2
from modules.families.sdxl import StableDiffusionXL, StableDiffusionXLRefiner
from tests.families.by_hand import load
from tests.tiny_checkpoint import write_tiny_sd1

SIZES = UNetArchitecture(
    model_channels=32,
    channel_mult=(1,),
    depths=TransformerDepths.regular([1], middle=1, num_res_blocks=1),
    heads=(4,),
    context_dim=48,
)


class Returns(nn.Module):
    """A network that returns its input and a constant, and remembers what it was given."""

    def __init__(self, constant: float) -> None:
        super().__init__()
        self.constant = constant
        self.given: tuple[Tensor, Tensor, Tensor] | None = None

    def forward(self, x: Tensor, t: Tensor, told: Tensor, **_: object) -> tuple[Tensor]:
        self.given = x, t, told
        return (x + self.constant,)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    path: Path = write_tiny_sd1(tmp_path_factory.mktemp("tiny"))
    return load(path)


@pytest.mark.parametrize(("constant", "kind"), [(-1.1, "v"), (-0.9, "eps"), (0.0, "eps"), (2.0, "eps")])
def test_a_network_that_takes_away_much_predicts_v(loaded: LoadedModel, constant: float, kind: str) -> None:
    network = Returns(constant)
    assert StableDiffusion2().find_prediction(replace(loaded, network=network), SIZES) == kind
    assert network.given is not None
    x, t, told = network.given
    assert (x.shape, t.item(), told.shape) == ((1, 4, 8, 8), 999.0, (1, 2, 48))
    assert (x == 0.5).all()
    assert (told == 0.5).all()


def test_inpainting_models_of_sd_2_predict_the_noise(loaded: LoadedModel) -> None:
    model = replace(loaded, network=Returns(-2.0), extra_channels="mask")
    assert StableDiffusion2().find_prediction(model, SIZES) == "eps"


@pytest.mark.parametrize("family", [StableDiffusion1(), StableDiffusionXL(), StableDiffusionXLRefiner()])
def test_other_families_are_not_tried(loaded: LoadedModel, family: Any) -> None:
    network = Returns(-2.0)
    assert family.find_prediction(replace(loaded, network=network), SIZES) == "eps"
    assert network.given is None


def test_predict_puts_extra_channels_behind_the_latents(loaded: LoadedModel) -> None:
    network = Returns(0.0)
    x, concat = torch.randn(2, 4, 8, 8), torch.randn(2, 5, 8, 8)
    told = Conditioning(cross_attention=torch.randn(2, 77, 48), concat=concat)
    replace(loaded, network=network).predict(x, torch.tensor([1.0, 2.0]), told)
    assert cast("Any", network.given)[0].equal(torch.cat((x, concat), 1))
