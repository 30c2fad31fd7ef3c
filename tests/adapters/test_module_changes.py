"""What damaged and hostile files may hold for a module: it is refused, or it can be applied."""

import random

import pytest
import torch
from torch import Tensor

from modules.adapters.kinds.base import Parts, Use
from modules.adapters.kinds.loha import Loha
from modules.adapters.module_changes import read_module
from modules.adapters.tensor_names import BIAS_DIFFERENCES, MAGNITUDES, PEFT_MAGNITUDES, RESIDUAL, WEIGHT_DIFFERENCES
from modules.adapters.weights import changed

COMPLETE: dict[str, dict[str, tuple[int, ...]]] = {
    "Lora": {"lora_up": (8, 2), "lora_down": (2, 4), "lora_mid": (2, 2, 3, 3)},
    "Loha": {name: (8, 2) if name.endswith("a") else (2, 4) for name in Loha.marks}
    | {"hada_t1": (2, 2), "hada_t2": (2, 2)},
    "Lokr": {
        "lokr_w1": (4, 2),
        "lokr_w1_a": (4, 1),
        "lokr_w1_b": (1, 2),
        "lokr_w2": (2, 2),
        "lokr_w2_a": (2, 2),
        "lokr_w2_b": (2, 2),
        "lokr_t2": (2, 2, 3, 3),
    },
    "Oft": {"oft_blocks": (2, 4, 4), "oft_diag": (2, 4, 4), "rescale": (8, 1)},
    "OftInput": {"oft_R": (1, 6)},
    "Ia3": {"weight": (8,), "on_input": ()},
    "Glora": {"a1": (2, 4), "a2": (4, 2), "b1": (2, 4), "b2": (8, 2)},
}
"""Tensors that fit a weight [8, 4], and cores."""

NOT_ALWAYS = ("lora_mid", "hada_t1", "hada_t2", "lokr_t2", "oft_diag")

SHAPES = ((8, 4), (8, 4), (8, 8), (8, 4, 3, 3), (8, 9, 3, 3), (8, 4, 1, 1), (8,))
SIZES = (1, 2, 4, 8, 16, 36)
BESIDE = (*WEIGHT_DIFFERENCES, *BIAS_DIFFERENCES, MAGNITUDES, PEFT_MAGNITUDES, RESIDUAL)


def _random_tensor(chance: random.Random) -> Tensor:
    size = tuple(chance.choice(SIZES) for _ in range(chance.choice((0, 1, 2, 2, 2, 3))))
    kernel = chance.choice(((), (), (1, 1), (3, 3)))
    return torch.ones(size + kernel).to(chance.choice((torch.float32, torch.float16, torch.int16)))


def _random_parts(kind: str, chance: random.Random) -> dict[str, Tensor]:
    tensors = {
        name: torch.ones(shape)
        for name, shape in COMPLETE[kind].items()
        if chance.random() < (0.2 if name in NOT_ALWAYS else 0.9)
    }
    tensors |= {name: _random_tensor(chance) for name in (*tensors, *BESIDE) if chance.random() < 0.08}
    return tensors


@pytest.mark.parametrize("kind", COMPLETE)
def test_random_shapes_are_refused_or_can_be_applied(kind: str) -> None:
    chance, applied, refused = random.Random(kind), 0, 0
    for _ in range(2000):
        tensors, shape = _random_parts(kind, chance), chance.choice(SHAPES)
        try:
            read = read_module(Parts(tensors=tensors, alpha=chance.choice((None, 1.0))))
            changes = read.for_weight(shape, chance.choice((None, None, None, 1)))
        except ValueError:
            refused += 1
            continue
        applied += bool(changes)
        made = changed(torch.ones(shape), [(change, Use(strength=0.5)) for change in changes])
        assert made.shape == shape
    assert applied > 20
    assert refused > 20
