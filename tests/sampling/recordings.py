"""Reads `tests/data/sampling`."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

FOLDER = Path(__file__).parents[1] / "data" / "sampling"


def recorded(name: str, key: str = "cases") -> Any:
    """Return the cases (or what else is called `key`) of one file."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))[key]


def array(name: str, key: str) -> Tensor:
    """Return one recorded array."""
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return torch.tensor(arrays[key])


@cache
def alphas_cumprod(table: str) -> Tensor:
    """Return SD's schedule ("sd"), or the same with zero terminal SNR ("sd_ztsnr"); float32 [1000]."""
    if table == "sd":
        betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
        return (1 - betas).cumprod(0).float()
    return array("tables", table)
