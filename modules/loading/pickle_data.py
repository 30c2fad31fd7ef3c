"""What pickles of tensors may refer to, and what plain data each of these names stands for."""

import re
from collections.abc import Callable, Iterable, Sized
from dataclasses import dataclass
from typing import cast

STORAGE_TYPES = {
    "torch.DoubleStorage": "float64",
    "torch.FloatStorage": "float32",
    "torch.HalfStorage": "float16",
    "torch.BFloat16Storage": "bfloat16",
    "torch.LongStorage": "int64",
    "torch.IntStorage": "int32",
    "torch.ShortStorage": "int16",
    "torch.CharStorage": "int8",
    "torch.ByteStorage": "uint8",
    "torch.BoolStorage": "bool",
}

# Things that lie beside the weights in training checkpoints. They become empty placeholders.
_INERT_CLASS = re.compile(r"(?:pytorch_lightning|lightning|lightning_fabric|omegaconf|diffusers)\.(?:\w+\.)*[A-Z]\w*")
_INERT = {
    "_codecs": "encode",  # bytes
    "argparse": "Namespace",
    "builtins": "bool bytearray complex dict float frozenset int list object range set slice str tuple",
    "__builtin__": "bool bytearray complex dict float frozenset int list long object set slice str tuple unicode",
    "collections": "Counter defaultdict deque",
    "datetime": "date datetime timedelta timezone",
    "numpy": "dtype ndarray",
    "numpy.core.multiarray": "_reconstruct scalar",
    "numpy._core.multiarray": "_reconstruct scalar",
    "pathlib": "PosixPath WindowsPath",
    "torch": "Tensor bfloat16 bool device float16 float32 float64 int16 int32 int64 int8 uint8",
    "torch.nn.parameter": "Parameter",
    "typing": "Any",
}
_INERT_NAMES = frozenset(f"{module}.{name}" for module, names in _INERT.items() for name in names.split())

# In them trainers of embeddings keep the vectors.
_PARAMETER_HOLDERS = frozenset(f"torch.nn.modules.container.{name}" for name in ("ParameterDict", "ParameterList"))

MAX_KEY_BITS = 64
MAX_COUNT = 2**48  # numbers in a file
MAX_SIZES = 64  # of a shape: more are not possible in PyTorch


@dataclass(frozen=True, slots=True)
class Global:
    """The name of a function or class; nothing more than a name."""

    name: str


class Placeholder:
    """Stands for an object that is not needed; what the pickle does to it has no effect."""

    __slots__ = ()


class ParameterHolder(dict[object, object]):
    """A module of PyTorch that holds nothing but parameters, as a dict of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageRecord:
    """A block of numbers in the same file.

    Attributes:
        dtype: name of the torch dtype.
        key: name of the block.
        count: of numbers in the block.
        view: first number of the block and count, when only a part of it is meant (legacy format).
    """

    dtype: str
    key: str
    count: int
    view: tuple[int, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorRecord:
    """A tensor: how to look at a storage. All counts are in elements."""

    storage: StorageRecord
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class DamagedPickle(Exception):
    """The instructions of a pickle make no sense."""


def is_allowed(name: str) -> bool:
    """Whether model files may refer to `name` (module and name joined by a dot)."""
    known = (_BUILDERS, STORAGE_TYPES, _INERT_NAMES, _PARAMETER_HOLDERS)
    return any(name in names for names in known) or _INERT_CLASS.fullmatch(name) is not None


_Arguments = tuple[object, ...]


def build(function: object, arguments: object) -> object:
    """Return the data that a call of an allowed name stands for. The functions behind it only arrange data."""
    if not isinstance(function, (Global, Placeholder)) or not isinstance(arguments, tuple):
        raise DamagedPickle("something that is no function is called")
    builder = _BUILDERS.get(function.name) if isinstance(function, Global) else None
    return builder(cast("_Arguments", arguments)) if builder else Placeholder()


def new_object(kind: object) -> object:
    """An instance of a class: a dict for the classes that are dicts, else a placeholder."""
    if isinstance(kind, Global) and kind.name in _PARAMETER_HOLDERS:
        return ParameterHolder()
    is_dict = isinstance(kind, Global) and _BUILDERS.get(kind.name) is _ordered_dict
    return dict[object, object]() if is_dict else Placeholder()


def parameters_of(state: object) -> dict[object, object]:
    """Return the parameters in the state of a module, which is its `__dict__`."""
    parameters = cast("dict[object, object]", state).get("_parameters") if isinstance(state, dict) else None
    return cast("dict[object, object]", parameters) if isinstance(parameters, dict) else {}


def length_of_list(value: object) -> int:
    """Return how many entries a list has, 0 for all else."""
    return len(cast("list[object]", value)) if isinstance(value, list) else 0


def items(pairs: Iterable[tuple[object, object]]) -> dict[object, object]:
    """Return a dict of the pairs with simple keys. Weights have no others, and hashing nested ones can take forever."""
    return {key: value for key, value in pairs if _is_key(key)}


def _is_key(key: object) -> bool:
    return isinstance(key, (str, Global)) or (isinstance(key, int) and key.bit_length() < MAX_KEY_BITS)


def _ordered_dict(arguments: _Arguments) -> object:
    # Python 2 wrote the items as an argument: a list of pairs.
    return items(cast("list[tuple[object, object]]", arguments[0]) if arguments else ())


def _tensor(arguments: _Arguments) -> TensorRecord:
    storage, offset, shape, stride = arguments[:4]
    if not isinstance(storage, StorageRecord):
        raise DamagedPickle("a tensor has no storage")
    return TensorRecord(storage=storage, offset=_count(offset), shape=_counts(shape), stride=_counts(stride))


def _parameter(arguments: _Arguments) -> object:
    return arguments[0]


def _tensor_with_attributes(arguments: _Arguments) -> object:
    function, _, inner = arguments[:3]
    if not isinstance(function, Global) or _BUILDERS.get(function.name) not in {_tensor, _parameter}:
        raise DamagedPickle("attributes are given to something that is no tensor")
    return build(function, inner)


def _reconstructed(arguments: _Arguments) -> object:
    return new_object(arguments[0])


def _size(arguments: _Arguments) -> object:
    return _counts(arguments[0])


def class_name(identity: object) -> Global | None:
    """Read a persistent id of the legacy format for a module's class: ("module", class, file, source code).

    None for others.
    """
    parts = cast("_Arguments", identity) if isinstance(identity, tuple) else ()
    return parts[1] if len(parts) > 1 and parts[0] == "module" and isinstance(parts[1], Global) else None


def storage_record(identity: object) -> StorageRecord:
    """Read a persistent id: ("storage", type, key, location, count[, None or (view key, offset, size)]).

    Raises:
        DamagedPickle: it is something else.
    """
    if not isinstance(identity, tuple):
        raise DamagedPickle("a storage is not described as PyTorch does it")
    kind, storage_type, key, _, count, *rest = cast("_Arguments", identity)
    if kind != "storage" or not isinstance(storage_type, Global) or not isinstance(key, str):
        raise DamagedPickle("a storage is not described as PyTorch does it")
    view = None
    if rest and rest[0] is not None:
        _, offset, size = cast("_Arguments", rest[0])
        view = (_count(offset), _count(size))
    return StorageRecord(dtype=STORAGE_TYPES[storage_type.name], key=key, count=_count(count), view=view)


def _count(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        raise DamagedPickle("a size is negative, too large or no number")
    return value


def _counts(value: object) -> tuple[int, ...]:
    if not isinstance(value, (tuple, list)) or len(cast("Sized", value)) > MAX_SIZES:
        raise DamagedPickle("a shape is not a list of some numbers")
    return tuple(_count(entry) for entry in cast("list[object]", value))


_BUILDERS: dict[str, Callable[[_Arguments], object]] = {
    "collections.OrderedDict": _ordered_dict,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._tensor._rebuild_from_type_v2": _tensor_with_attributes,
    "torch.Size": _size,
    "copy_reg._reconstructor": _reconstructed,
    "copyreg._reconstructor": _reconstructed,
}
