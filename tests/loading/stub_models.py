"""Models that do nothing but remember where they are, and what loads them, for tests of the cache of checkpoints."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from torch import nn

from modules.core.cancellation import CancelToken
from modules.families.base import LoadedModel
from modules.hardware.dtype import Precision
from modules.library.checkpoints import CheckpointFile
from modules.loading import cache as cache_module
from modules.loading import residence
from modules.loading.cache import Keep, ModelCache
from modules.loading.options import LoadOptions

FLOAT = Precision(network=torch.float32, vae=torch.float32, text=torch.float32)
CPU, GPU = torch.device("cpu"), torch.device("cuda")


class Stub(nn.Module):
    """A network of 4 bytes that can be anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1), requires_grad=False)
        self.device = GPU

    def to(self, device: torch.device) -> "Stub":  # pyright: ignore[reportIncompatibleMethodOverride]
        """Say that it is there; tests have one device only."""
        self.device = device
        return self

    def forward(self, given: object) -> object:
        """Compute nothing."""
        return given


class StubVae(Stub):
    """An autoencoder is called by its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.decoder = nn.Sequential(nn.Identity())


class Loader:
    """Stands for `load_checkpoint` and for the memory that there is.

    Attributes:
        read: names of the files that were read, in order.
        options: how each was read.
        fails: raised instead of reading.
        free: bytes of each kind of device.
    """

    def __init__(self) -> None:
        self.read: list[str] = []
        self.options: list[LoadOptions] = []
        self.fails: Exception | None = None
        self.free = {"cpu": 2**40, "cuda": 2**40}

    @property
    def letters(self) -> str:
        """What was read, one letter for each."""
        return "".join(self.read)

    def load(self, path: Path, *, device: torch.device, options: LoadOptions, **_: object) -> LoadedModel:
        """Make a model."""
        self.read.append(path.stem)
        self.options.append(options)
        if self.fails:
            raise self.fails
        parts = {
            "network": Stub(),
            "vae": SimpleNamespace(module=StubVae()),
            "text_encoder": SimpleNamespace(encoders=(SimpleNamespace(module=Stub()),)),
            "device": device,
        }
        return cast("LoadedModel", SimpleNamespace(**parts))

    def available(self, device: torch.device) -> int:
        """Say how many bytes are free."""
        return self.free[device.type]

    @classmethod
    def installed(cls, monkeypatch: pytest.MonkeyPatch) -> "Loader":
        """Return one that the cache uses."""
        loader = cls()
        monkeypatch.setattr(cache_module, "load_checkpoint", loader.load)
        for module in (cache_module, residence):
            monkeypatch.setattr(module, "available_bytes", loader.available)
        return loader


def checkpoint(path: Path, *, config: bool = False) -> CheckpointFile:
    """Return the file at `path`, with a yaml beside it or without."""
    yaml = path.with_suffix(".yaml") if config else None
    return CheckpointFile(path=path, name=path.name, model_name=path.stem, sha256=None, config=yaml)


def four_files(folder: Path) -> list[CheckpointFile]:
    """Write four checkpoints of 1000 bytes: a, b, c, d."""
    paths = [folder / f"{name}.safetensors" for name in "abcd"]
    for path in paths:
        path.write_bytes(b"x" * 1000)
    return [checkpoint(path) for path in paths]


def get(cache: ModelCache, file: CheckpointFile, keep: Keep | None = None) -> LoadedModel:
    """Return the model of `file`."""
    return cache.get(file, keep or Keep(), lambda _: None, CancelToken())


def get_all(cache: ModelCache, files: list[CheckpointFile], wanted: str, limit: int) -> None:
    """Ask for one after the other by their letters."""
    for name in wanted:
        get(cache, files["abcd".index(name)], Keep(limit=limit))


def together(*files: CheckpointFile, limit: int = 1) -> Keep:
    """Return what stays while a job needs `files`."""
    return Keep(limit=limit, together=frozenset(file.path for file in files))
