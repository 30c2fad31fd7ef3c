"""An interrupted training ends with the same weights as one that was not."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tools.demo_model.training import Plan, Training

PLAN = Plan(steps=12, learning_rate=0.1, warmup=3, save_every=5)


class Interruption(Exception):
    pass


def network() -> nn.Linear:
    layer = nn.Linear(3, 2)
    nn.init.constant_(layer.weight, 0.5)
    nn.init.zeros_(layer.bias)
    return layer


def train(trained: nn.Linear, file: Path, *, stop_at: int | None = None) -> Training:
    training = Training({"a": trained}, PLAN, file)

    def loss(step: int) -> Tensor:
        if step == stop_at:
            raise Interruption
        numbers = torch.randn((4, 3), generator=torch.Generator().manual_seed(step))
        return (trained(numbers) - 1).square().mean()

    training.run(loss, title="test")
    return training


def test_an_interrupted_training_goes_on_where_it_was(tmp_path: Path) -> None:
    through, interrupted = network(), network()
    whole = train(through, tmp_path / "whole.pt")
    with pytest.raises(Interruption):
        train(interrupted, tmp_path / "parts.pt", stop_at=8)
    resumed = network()
    parts = train(resumed, tmp_path / "parts.pt")
    assert torch.equal(resumed.weight, through.weight)
    assert torch.equal(parts.averages["a.weight"], whole.averages["a.weight"])


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    first = network()
    train(first, tmp_path / "state.pt")
    again = network()
    train(again, tmp_path / "state.pt", stop_at=0)
    assert torch.equal(first.weight, again.weight)


def test_the_learning_rate_rises_and_ends_near_zero() -> None:
    rates = [PLAN.rate(step) for step in range(PLAN.steps)]
    assert max(rates) == pytest.approx(PLAN.learning_rate)
    assert rates[0] < rates[1] < rates[2]
    assert rates[-1] < 0.1 * PLAN.learning_rate


def test_the_averages_follow_the_weights(tmp_path: Path) -> None:
    trained = network()
    before = trained.weight.detach().clone()
    training = train(trained, tmp_path / "state.pt")
    average = training.averages["a.weight"]
    assert (average - trained.weight).abs().sum() < (before - trained.weight).abs().sum()
    training.load_averages()
    assert torch.equal(trained.weight, average)


def test_a_loss_that_is_no_number_stops_it(tmp_path: Path) -> None:
    training = Training({"a": network()}, PLAN, tmp_path / "state.pt")
    with pytest.raises(ArithmeticError, match="step 0"):
        training.run(lambda _: torch.tensor(float("nan"), requires_grad=True), title="test")
