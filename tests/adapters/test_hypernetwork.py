from collections.abc import Iterator
from typing import Any, cast

import pytest
import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from modules.adapters.hypernetwork import Hypernetwork, HypernetworkUse, Pair, using_hypernetworks
from modules.conditioning.conditioning import Conditioning
from modules.families.attention import attention_in_float32
from modules.families.base import LoadedModel
from tests.adapters.hypernetwork_writers import network
from tests.families.by_hand import load
from tests.tiny_checkpoint import TEXT_WIDTH, write_tiny_sd1

X = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
TOLD = Conditioning(cross_attention=torch.randn(1, 77, TEXT_WIDTH, generator=torch.Generator().manual_seed(1)))
WIDTHS = {32, 64, 128}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadedModel]:
    with torch.inference_mode():
        yield load(write_tiny_sd1(tmp_path_factory.mktemp("tiny")))


def predict(model: LoadedModel) -> Tensor:
    return model.predict(X, torch.tensor([500.0]), TOLD)


def hypernetwork(*widths: int, name: str = "x.pt") -> Hypernetwork:
    pairs = {
        width: Pair(keys=network(width, [1, 2, 1], nn.ReLU), values=network(width, [1, 2, 1], nn.ReLU))
        for width in widths
    }
    return Hypernetwork(name, pairs)


def by_hand(model: LoadedModel, uses: list[HypernetworkUse]) -> Tensor:
    """What a network predicts whose layers are replaced one by one."""
    replaced: list[tuple[Attention, str, nn.Module]] = []
    for module in list(model.network.modules()):
        if isinstance(module, Attention):
            for name in ("to_k", "to_v"):
                layer = cast("nn.Linear", getattr(module, name))
                nets = [
                    (pair.keys if name == "to_k" else pair.values, use.weight)
                    for use in uses
                    if (pair := use.hypernetwork.pairs.get(layer.in_features))
                ]
                replaced.append((module, name, layer))
                setattr(module, name, Changed(layer, nets))
    predicted = predict(model)
    for module, name, layer in replaced:
        setattr(module, name, layer)
    return predicted


class Changed(nn.Module):
    def __init__(self, layer: nn.Module, nets: list[tuple[nn.Module, float]]) -> None:
        super().__init__()
        self.layer = layer
        self.nets = nets

    def forward(self, x: Tensor) -> Tensor:
        for net, weight in self.nets:
            x = x + net(x) * weight
        return self.layer(x)


def check(model: LoadedModel, *uses: HypernetworkUse) -> None:
    plain = predict(model)
    expected = by_hand(model, list(uses))
    with using_hypernetworks(model, uses):
        changed = predict(model)
    torch.testing.assert_close(changed, expected, rtol=0, atol=1e-6)
    assert not changed.allclose(plain, atol=1e-3)
    assert predict(model).equal(plain)


def test_keys_and_values_are_made_from_changed_vectors(model: LoadedModel) -> None:
    check(model, HypernetworkUse(hypernetwork=hypernetwork(*WIDTHS), weight=0.7))


@pytest.mark.parametrize("width", sorted(WIDTHS))
def test_only_vectors_of_widths_in_the_file_are_changed(model: LoadedModel, width: int) -> None:
    check(model, HypernetworkUse(hypernetwork=hypernetwork(width)))


def test_several_change_what_those_before_them_made(model: LoadedModel) -> None:
    first, second = hypernetwork(*WIDTHS), hypernetwork(32, 128)
    check(
        model,
        HypernetworkUse(hypernetwork=first, weight=0.5),
        HypernetworkUse(hypernetwork=second, weight=-0.8),
        HypernetworkUse(hypernetwork=first, weight=0.2),
    )


def test_other_attention_kernels_are_changed_too(model: LoadedModel) -> None:
    use = HypernetworkUse(hypernetwork=hypernetwork(*WIDTHS))
    with using_hypernetworks(model, [use]):
        expected = predict(model)
    with attention_in_float32(model.network), using_hypernetworks(model, [use]):
        torch.testing.assert_close(predict(model), expected, rtol=0, atol=1e-5)


def hooks(model: LoadedModel) -> int:
    return sum(len(cast("Any", module)._forward_pre_hooks) for module in model.network.modules())


def test_nothing_is_done_without_one_or_with_weight_0(model: LoadedModel) -> None:
    uses = [HypernetworkUse(hypernetwork=hypernetwork(*WIDTHS), weight=0.0)]
    for nothing in ([], uses):
        with using_hypernetworks(model, nothing):
            assert hooks(model) == 0


def test_nothing_is_left_behind_when_something_goes_wrong(model: LoadedModel) -> None:
    plain = predict(model)
    uses = [HypernetworkUse(hypernetwork=hypernetwork(*WIDTHS))]

    def fail() -> None:
        with using_hypernetworks(model, uses):
            assert hooks(model) > 0
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert hooks(model) == 0
    assert predict(model).equal(plain)


def test_networks_are_placed_once_where_the_model_computes() -> None:
    found, cpu = hypernetwork(32), torch.device("cpu")
    half = found.placed(cpu, torch.float16)
    assert half[32].keys(torch.zeros(1, 32, dtype=torch.float16)).dtype == torch.float16
    assert found.placed(cpu, torch.float16) is half
    full = found.placed(cpu, torch.float32)
    assert full[32].keys.state_dict()["0.weight"].equal(found.pairs[32].keys.state_dict()["0.weight"])
    assert found.pairs[32].keys.state_dict()["0.weight"].dtype == torch.float32


def test_one_for_another_kind_of_model_is_said(model: LoadedModel) -> None:
    assert hypernetwork(32, 768).problem(model) is None
    assert hypernetwork(768, 320, name="night.pt").problem(model) == (
        "The hypernetwork “night.pt” is for another kind of model: it changes vectors of 320, 768 numbers, this "
        "checkpoint has such of 32, 64, 128."
    )
