"""What every training here needs: reproducible steps, a learning rate that ends at zero, averaged weights, resuming."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

FORMAT = 1  # of the files that `Training` writes


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a training goes.

    Attributes:
        steps: in all.
        learning_rate: the highest; it is reached after `warmup` steps and falls to 0 as a quarter of a cosine.
        warmup: steps.
        decay: part of the averaged weights that stays at each step, once there were enough steps.
        clip: longest gradient.
        save_every: steps between two states on the disk.
    """

    steps: int
    learning_rate: float
    warmup: int = 100
    decay: float = 0.998
    clip: float = 1.0
    save_every: int = 250

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, 0..`steps` - 1."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        share = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


class Training:
    """One training of one or several networks, which can be interrupted at any time and goes on where it was.

    The steps are reproducible: all that is random in a step must be drawn from its number. So an interrupted training
    ends with the same weights as one that was not.

    Attributes:
        step: the next one, 0..`plan.steps`.
        averages: the weights averaged over the last steps (EMA, arXiv:2006.11239), by "network.parameter".
    """

    def __init__(self, networks: Mapping[str, nn.Module], plan: Plan, state_file: Path) -> None:
        self.plan = plan
        self.step = 0
        self._file = state_file
        self._networks = dict(networks)
        self._parameters = {
            f"{name}.{part}": parameter
            for name, network in networks.items()
            for part, parameter in network.named_parameters()
            if parameter.requires_grad
        }
        self._optimizer = torch.optim.AdamW(
            self._parameters.values(), lr=plan.learning_rate, betas=(0.9, 0.99), weight_decay=1e-3, fused=True
        )
        self.averages = {name: parameter.detach().clone() for name, parameter in self._parameters.items()}
        if state_file.exists():
            self._resume()

    def run(self, loss_of_step: Callable[[int], Tensor], *, title: str) -> None:
        """Train to the end.

        Args:
            loss_of_step: computes the loss of a step; everything random in it depends on the step's number alone.
            title: for the progress bar.
        """
        shown = 0.0
        with tqdm(total=self.plan.steps, initial=self.step, desc=title, unit="step", mininterval=5) as bar:
            while self.step < self.plan.steps:
                loss = self._advance(loss_of_step)
                shown = loss if shown == 0 else 0.98 * shown + 0.02 * loss
                bar.set_postfix_str(f"loss {shown:.4f}", refresh=False)
                bar.update()
                if self.step % self.plan.save_every == 0 or self.step == self.plan.steps:
                    self._save()

    def load_averages(self) -> None:
        """Give the networks the averaged weights."""
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                parameter.copy_(self.averages[name])

    def _advance(self, loss_of_step: Callable[[int], Tensor]) -> float:
        for group in self._optimizer.param_groups:
            group["lr"] = self.plan.rate(self.step)
        loss = loss_of_step(self.step)
        if not torch.isfinite(loss):
            raise ArithmeticError(f"The loss of step {self.step} is {loss.item()}; lower the learning rate.")
        loss.backward()
        nn.utils.clip_grad_norm_(self._parameters.values(), self.plan.clip)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self._average()
        return loss.item()

    @torch.no_grad()
    def _average(self) -> None:
        # The first steps count little, so that the random beginning is soon forgotten.
        decay = min(self.plan.decay, (1 + self.step) / (10 + self.step))
        for name, parameter in self._parameters.items():
            self.averages[name].lerp_(parameter, 1 - decay)

    def _save(self) -> None:
        state = {
            "format": FORMAT,
            "step": self.step,
            "networks": {name: network.state_dict() for name, network in self._networks.items()},
            "optimizer": self._optimizer.state_dict(),
            "averages": self.averages,
        }
        self._file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._file.with_suffix(".unfinished")
        torch.save(state, unfinished)
        unfinished.replace(self._file)

    def _resume(self) -> None:
        device = next(iter(self._parameters.values())).device
        state: dict[str, Any] = torch.load(self._file, map_location=device, weights_only=True)
        if state["format"] != FORMAT:
            raise ValueError(f"{self._file} was written by another version of this program. Remove it to start anew.")
        for name, network in self._networks.items():
            network.load_state_dict(state["networks"][name])
        self._optimizer.load_state_dict(state["optimizer"])
        self.averages = state["averages"]
        self.step = state["step"]
