"""What PEFT says of an adapter beside its tensors."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

METADATA_KEY = "lora_adapter_metadata"
"""Under which diffusers keeps it in a file's header."""

CONFIG_FILE, WEIGHTS_STEM = "adapter_config.json", "adapter_model"
"""PEFT keeps it in a file of this name beside `adapter_model.safetensors`."""

MAX_CONFIG_BYTES = 2**20
MAX_NUMBER = 1e30  # of alpha and rank


@dataclass(frozen=True, slots=True, kw_only=True)
class PeftConfig:
    """The settings of an adapter, or of those of several networks in one file.

    Attributes:
        values: by PEFT's names; those of several networks begin with the network's name ("unet.lora_alpha").
    """

    values: Mapping[str, object]

    def scale(self, module: str) -> float | None:
        """Return the factor of a module's difference: alpha over its rank, or over the root of it (arXiv:2312.03732).

        Args:
            module: its name in the file.

        Returns:
            None if nothing is said.
        """
        alpha = _number(self._of(module, "alpha_pattern", "lora_alpha", "alpha"))
        rank = _number(self._of(module, "rank_pattern", "r"))
        if alpha is None or rank is None or rank <= 0:
            return None
        return alpha / (rank**0.5 if self._value(module, "use_rslora") is True else rank)

    def neumann_terms(self, module: str) -> int | None:
        """Return `kinds.base.Parts.neumann_terms`."""
        if self._value(module, "use_cayley_neumann") is False:
            return None
        terms = self._value(module, "num_cayley_neumann_terms")
        return terms if isinstance(terms, int) and 0 < terms <= 100 else 5

    def _of(self, module: str, pattern: str, *names: str) -> object:
        """What is said of this module, or of all of them."""
        # PEFT takes its keys as regular expressions. Almost all are names, and a stranger's expressions are not run.
        special = self._value(module, pattern)
        for name, value in cast("dict[str, object]", special).items() if isinstance(special, dict) else ():
            if module == name or module.endswith(f".{name}"):
                return value
        return next((value for name in names if (value := self._value(module, name)) is not None), None)

    def _value(self, module: str, name: str) -> object:
        network = module.partition(".")[0]
        return self.values.get(f"{network}.{name}", self.values.get(name))


def read_peft_config(path: Path, metadata: Mapping[str, str]) -> PeftConfig:
    """Return what is said of the adapter at `path`, in its header or in a file beside it."""
    text = metadata.get(METADATA_KEY)
    if text is None and path.stem == WEIGHTS_STEM:
        text = _text_beside(path.with_name(CONFIG_FILE))
    try:
        values: Any = json.loads(text or "{}")
    except (ValueError, RecursionError):
        values = None
    return PeftConfig(values=cast("dict[str, object]", values) if isinstance(values, dict) else {})


def _text_beside(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return file.read(MAX_CONFIG_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return None


def _number(value: object) -> float | None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    return float(value) if -MAX_NUMBER < value < MAX_NUMBER else None  # integers may be too large for it
