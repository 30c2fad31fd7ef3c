"""Making networks without weights."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


@contextmanager
def skeleton() -> Generator[None]:
    """In this context modules get parameters of the right shapes that have no memory and are not filled."""
    with torch.device("meta"), _WithoutInitialisation():
        yield


class _WithoutInitialisation(TorchFunctionMode):
    """Leaves out the functions of `torch.nn.init`, which would work on every parameter for nothing."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,  # given by PyTorch
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call `func`, unless it only fills a tensor."""
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)
