"""In which number format each part of a model computes."""

from dataclasses import dataclass

import torch

from modules.core.flags import Flags


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """Number formats of a model's parts; weights are kept in them too.

    Attributes:
        network: of the denoising network.
        vae: of the VAE.
        text: of the text encoders.
    """

    network: torch.dtype
    vae: torch.dtype
    text: torch.dtype

    def __str__(self) -> str:
        network, vae = (str(dtype).removeprefix("torch.") for dtype in (self.network, self.vae))
        return network if network == vae else f"{network}, VAE {vae}"


def choose_precision(flags: Flags, device: torch.device) -> Precision:
    """Return float32 where it was asked for, else the fast 16-bit format of `device`.

    `--no-half` and `--precision full` mean float32 everywhere, `--no-half-vae` means it for the VAE. A CPU never
    computes in float16, for which it has no instructions (it is slower there by orders of magnitude).
    """
    if flags.no_half or flags.precision == "full":
        return Precision(network=torch.float32, vae=torch.float32, text=torch.float32)
    fast = fast_dtype(device)
    # The text encoder is a hundredth of the work of one step, so a CPU need not save at its accuracy.
    text = torch.float32 if device.type == "cpu" else fast
    return Precision(network=fast, vae=torch.float32 if flags.no_half_vae else fast, text=text)


def fast_dtype(device: torch.device) -> torch.dtype:
    """Return float16 for an accelerator; for a CPU bfloat16 if it has instructions for that, else float32."""
    if device.type != "cpu":
        return torch.float16
    return torch.bfloat16 if _cpu_computes_bfloat16() else torch.float32


def _cpu_computes_bfloat16() -> bool:
    # torch has no public name for these two questions.
    questions = (torch.cpu._is_avx512_bf16_supported, torch.cpu._is_amx_tile_supported)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return any(question() for question in questions)
