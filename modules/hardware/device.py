"""Which processor computes."""

import logging

import torch

from modules.core.errors import InvalidRequest
from modules.core.flags import Flags

log = logging.getLogger(__name__)


def choose_device(flags: Flags) -> torch.device:
    """Return the CUDA device if there is one, else Apple's GPU, else the CPU.

    `--use-cpu all` (or `sd`) asks for the CPU, `--device-id` for one of several CUDA devices.

    Raises:
        InvalidRequest: there is no CUDA device of that index.
    """
    if {"all", "sd"} & {part.casefold() for part in flags.use_cpu}:
        return torch.device("cpu")
    if torch.cuda.is_available():
        return _cuda_device(flags.device_id or 0, torch.cuda.device_count())
    if flags.device_id is not None:
        log.warning("--device-id %d is ignored: no CUDA device was found.", flags.device_id)
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _cuda_device(index: int, count: int) -> torch.device:
    if not 0 <= index < count:
        raise InvalidRequest(f"--device-id {index}: this machine has the CUDA devices 0 to {count - 1}.")
    return torch.device("cuda", index)
