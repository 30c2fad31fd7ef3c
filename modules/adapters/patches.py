"""Adapters applied to a loaded model, and taken away again without a trace."""

from collections import OrderedDict
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from modules.adapters.adapter_file import Adapter
from modules.adapters.keys import ModelIndex, Target, index_model, model_components
from modules.adapters.kinds.base import Change, Use
from modules.adapters.weights import changed
from modules.core.cancellation import CancelToken
from modules.families.base import LoadedModel
from modules.hardware.float8 import exact_parameter
from modules.hardware.memory import available_bytes

UNET = "unet"
STRENGTHS_KEPT = 2
"""How many sets of the same adapters with different strengths are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterUse:
    """An adapter, and how much of it.

    Attributes:
        adapter: matched to the model that it changes.
        text: factor of what it does to the text encoders.
        image: factor of what it does to the network that makes pictures.
        rank: see `Use`.
        dora: see `Use`.
    """

    adapter: Adapter
    text: float
    image: float
    rank: int | None = None
    dora: bool = True

    def of(self, target: Target) -> Use:
        """Return how it changes one parameter."""
        strength = self.image if target.component == UNET else self.text
        return Use(strength=strength, rank=self.rank, dora=self.dora)


AdapterSet = tuple[AdapterUse, ...]
"""In the order in which they are applied. Adapters are compared by identity."""


Components = Mapping[str, nn.Module]
Parameters = Mapping[Target, nn.Parameter]


class Patches:
    """The weights of one model as adapters make them. It does not keep the model alive, which is given to each method.

    A changed weight takes the place of the original, which is kept as it is: taking adapters away is putting the
    originals back, to the last bit. Sets that were used last are kept as long as they take at most half of the memory
    that is free; to apply such a set again costs nothing.
    """

    def __init__(self) -> None:
        """Change nothing yet."""
        self._index: ModelIndex | None = None
        self._known: OrderedDict[AdapterSet, Parameters] = OrderedDict()

    @property
    def kept(self) -> tuple[AdapterSet, ...]:
        """The sets that need not be made again, the one that was used last at the end."""
        return tuple(self._known)

    def forget(self) -> None:
        """Forget all sets; what is changed at the moment stays so until its context ends."""
        self._known.clear()

    def index(self, model: LoadedModel) -> ModelIndex:
        """Return by what files are matched to the model; made when it is first asked for."""
        if self._index is None:
            self._index = index_model(model)
        return self._index

    @contextmanager
    def using(self, model: LoadedModel, uses: AdapterSet, token: CancelToken) -> Generator[None]:
        """Let the model have its weights changed by `uses` in this context; contexts must not lie within each other.

        Raises:
            Interrupted: the job was asked to stop before all weights were changed.
        """
        components = model_components(model)
        made = self._made(components, model.device, uses, token)
        originals = {target: _parameter(components, target) for target in made}
        try:
            _put(components, made)
            yield
        finally:
            _put(components, originals)

    def _made(self, components: Components, device: torch.device, uses: AdapterSet, token: CancelToken) -> Parameters:
        """Return the parameters that a set changes, as it makes them."""
        if uses in self._known:
            self._known.move_to_end(uses)
            return self._known[uses]
        by_target = _by_target(uses)
        weights = {target: _parameter(components, target) for target in by_target}
        places = self._places(uses)
        self._make_room(_bytes(weight for target, weight in weights.items() if target not in places), device)
        made: dict[Target, nn.Parameter] = {}
        for target, changes in by_target.items():
            token.check_interrupted()
            weight, place = weights[target], places.get(target)
            # Of a weight of 8 bits the original may have been kept, which is more exact.
            exact = exact_parameter(components[target.component], target.parameter)
            out = torch.empty_like(weight) if place is None else place
            made[target] = nn.Parameter(changed(exact, changes, out), requires_grad=False)
        self._known[uses] = made
        return made

    def _places(self, uses: AdapterSet) -> Parameters:
        """Forget a set of the same adapters with other strengths, if two are kept; return its parameters to reuse.

        Two may take turns, as in a pass and its hires pass. Who tries one strength after the other needs no more, and
        new memory takes longer than the sums.
        """
        adapters = [use.adapter for use in uses]
        same = [known for known in self._known if [use.adapter for use in known] == adapters]
        return self._known.pop(same[0]) if len(same) >= STRENGTHS_KEPT else {}

    def _make_room(self, needed: int, device: torch.device) -> None:
        kept = sum(_bytes(made.values()) for made in self._known.values())
        limit = (available_bytes(device) + kept) // 2
        while self._known and kept + needed > limit:
            _, oldest = self._known.popitem(last=False)
            kept -= _bytes(oldest.values())


def _parameter(components: Components, target: Target) -> nn.Parameter:
    return components[target.component].get_parameter(target.parameter)


def _put(components: Components, parameters: Parameters) -> None:
    for target, parameter in parameters.items():
        path, _, name = target.parameter.rpartition(".")
        setattr(components[target.component].get_submodule(path), name, parameter)


def _by_target(uses: Sequence[AdapterUse]) -> dict[Target, list[tuple[Change, Use]]]:
    """Return what changes each parameter, in order; what has no strength changes nothing."""
    found: dict[Target, list[tuple[Change, Use]]] = {}
    for use in uses:
        for target, changes in use.adapter.changes.items():
            if (how := use.of(target)).strength:
                found.setdefault(target, []).extend((change, how) for change in changes)
    return found


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)
