"""What is refused, and what is done otherwise, because main memory is short."""

from types import SimpleNamespace
from typing import cast

import pytest
import torch

from modules.core.errors import OutOfMemoryError
from modules.families.base import LoadedModel
from modules.pipeline import limits
from modules.pipeline.context import RunContext
from modules.pipeline.limits import check_memory

SAMPLING, TILES, WHOLE = 10, 30, 50
"""Bytes per pixel."""


class StubVae:
    """A VAE that needs memory."""

    def working_bytes(self, width: int, height: int, *, tiled: bool = False) -> int:
        return width * height * (TILES if tiled else WHOLE)


class StubModel:
    """A model that needs memory."""

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        self.vae = StubVae()

    def sampling_bytes(self, width: int, height: int, batch: int) -> int:
        return width * height * batch * SAMPLING


class Check:
    """The check of a batch of pictures of 1×1 px.

    Attributes:
        kept: bytes that adapters keep and give back.
        given_back: how often they were asked to.
        notes: what was said.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, available: int, device: str = "cpu") -> None:
        def available_bytes(_device: torch.device) -> int:
            return self._available

        monkeypatch.setattr(limits, "available_bytes", available_bytes)
        self._available = available
        self.kept = 0
        self.notes: list[str] = []
        self.given_back = 0
        add_ons = SimpleNamespace(give_back=self._give_back)
        self._context = SimpleNamespace(vae_tiled=False, note=self.notes.append, add_ons=add_ons)
        self._model = StubModel(device)

    def _give_back(self) -> None:
        self.given_back += 1
        self._available += self.kept

    def __call__(self, batch: int) -> bool:
        """Make the check; return whether autoencoders are to work in tiles."""
        check_memory(cast("RunContext", self._context), cast("LoadedModel", self._model), 1, 1, batch)
        return self._context.vae_tiled


@pytest.mark.parametrize(("available", "batch"), [(50, 5), (1000, 1)])
def test_what_fits_is_done_as_usual(monkeypatch: pytest.MonkeyPatch, available: int, batch: int) -> None:
    check = Check(monkeypatch, available)
    assert not check(batch)
    assert not check.notes
    assert not check.given_back


@pytest.mark.parametrize(("available", "batch"), [(49, 4), (30, 3)])
def test_where_only_tiles_fit_they_are_used_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, available: int, batch: int
) -> None:
    check = Check(monkeypatch, available)
    assert check(batch)
    assert check.notes == ["The VAE worked in tiles because memory was short."]


@pytest.mark.parametrize(("available", "batch"), [(40, 1), (40, 5), (10, 1)])
def test_what_adapters_keep_is_given_back_first(monkeypatch: pytest.MonkeyPatch, available: int, batch: int) -> None:
    check = Check(monkeypatch, available)
    check.kept = 50 - available
    assert not check(batch)
    assert check.given_back == 1


@pytest.mark.parametrize(("available", "batch"), [(29, 1), (49, 5), (100, 11)])
def test_what_cannot_fit_is_refused(monkeypatch: pytest.MonkeyPatch, available: int, batch: int) -> None:
    with pytest.raises(OutOfMemoryError, match=rf"1×1 in batches of {batch} .*Choose a smaller"):
        Check(monkeypatch, available)(batch)


def test_an_accelerator_speaks_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Check(monkeypatch, available=0, device="cuda")(1)
