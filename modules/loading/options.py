"""How a checkpoint is read, beside where and in which number formats it computes."""

from dataclasses import dataclass

import torch

from modules.core.settings import Float8Storage, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """What settings say.

    Attributes:
        averaged: take the running average (EMA) of the network's weights from a file that holds both.
        float8: which models keep the weights of network and text encoders in 8 bits, as in A1111.
        keep_originals: those in 16 bits stay in main memory beside them, for adapters.
    """

    averaged: bool = False
    float8: Float8Storage = "Disable"
    keep_originals: bool = False

    @classmethod
    def of(cls, settings: Settings) -> "LoadOptions":
        """Return what `settings` say."""
        return cls(
            averaged=settings.sd_checkpoint_use_ema,
            float8=settings.fp8_storage,
            keep_originals=settings.fp8_storage != "Disable" and settings.cache_fp16_weight,
        )

    def wants_float8(self, family: str, device: torch.device) -> bool:
        """Whether a model of a family keeps 8 bits on a device; Apple's has no such format."""
        wanted = self.float8 == "Enable" or (self.float8 == "Enable for SDXL" and family.startswith("SDXL"))
        return wanted and device.type != "mps"
