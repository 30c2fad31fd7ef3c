"""Reads pickles of tensors without running anything of theirs.

A pickle is a program for a small stack machine. Python's own machine looks up any function or class by name and calls
it, which is why loading a strange `.ckpt` with it can run code. The machine here has no such instruction: a name stays
a `Global`, "calling" it asks the short table of `pickle_data` what plain data it stands for, and setting an object's
state does nothing, but for holders of parameters, which it fills. So whatever a file contains, only dicts, lists,
tuples, numbers, strings and our own records come out of it. Names that no checkpoint holds are refused all the same, so
that people learn that a file means harm. What a pickle may cost is limited, too: some bytes tell Python's machine to
fill all memory.
Format: https://docs.python.org/3/library/pickletools.html
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, cast

from modules.core.errors import ModelFileError, UnsafeFileError
from modules.core.shown import shown
from modules.loading.pickle_data import (
    DamagedPickle,
    Global,
    ParameterHolder,
    Placeholder,
    StorageRecord,
    build,
    class_name,
    is_allowed,
    items,
    length_of_list,
    new_object,
    parameters_of,
    storage_record,
)

MAX_STEPS = 600_000  # a training checkpoint of SDXL with its averages and its optimizer takes 250,000
NAME_STEPS = 5  # as long as so many other instructions a name takes to read
MAX_NUMBER_BITS = 1024  # Python does not write numbers of more than 4,300 digits


@dataclass(frozen=True, slots=True, kw_only=True)
class PickleContent:
    """What a pickle holds.

    Attributes:
        value: dicts, lists, tuples, numbers, strings, and `TensorRecord`, `Global` and `Placeholder` objects.
        storages: every storage it mentions, by key.
    """

    value: object
    storages: dict[str, StorageRecord]


def read_pickle(stream: IO[bytes], *, source: str, max_steps: int = MAX_STEPS) -> PickleContent:
    """Return the data of the pickle that begins at the stream's position; leave the stream behind the pickle.

    Args:
        stream: seekable, binary, and of a length that memory can hold some times: texts in pickles have any length.
        source: the file's name, for messages.
        max_steps: how many instructions the pickle may have; those that copy lists count for each entry.

    Raises:
        UnsafeFileError: the pickle names something that is not model data; nothing of it was run.
        ModelFileError: the pickle is damaged.
    """
    machine = _Machine(source, max_steps)
    try:
        value = machine.run(stream)
    except (DamagedPickle, ValueError, TypeError, LookupError, RecursionError) as error:
        fault = shown(str(error))
        raise ModelFileError(f"“{source}” is damaged or truncated: its pickle cannot be read ({fault}).") from error
    return PickleContent(value=value, storages=machine.storages)


_MARK = object()  # begins a group on the stack


class _Machine:
    """The stack machine. One method per instruction that does more than push a constant."""

    def __init__(self, source: str, max_steps: int) -> None:
        self.storages: dict[str, StorageRecord] = {}
        self._source = source
        self._steps_left = max_steps
        self._stack: list[object] = []
        self._memo: dict[object, object] = {}

    def run(self, stream: IO[bytes]) -> object:
        """Carry out instructions up to and including STOP; return what is then on top of the stack."""
        for opcode, argument, _ in pickletools.genops(stream):
            name = opcode.name
            self._spend(1)
            if name == "STOP":
                return self._pop()
            if name in _LITERALS:
                self._literal(argument)
            elif name in _CONSTANTS:
                self._push(_CONSTANTS[name]())
            elif name in _WITH_ARGUMENT:
                _WITH_ARGUMENT[name](self, argument)
            elif name in _WITHOUT_ARGUMENT:
                _WITHOUT_ARGUMENT[name](self)
            elif name not in {"PROTO", "FRAME"}:
                raise DamagedPickle(f"instruction {name} does not occur in model files")
        raise DamagedPickle("it has no end")

    def _spend(self, steps: int) -> None:
        self._steps_left -= steps
        if self._steps_left < 0:
            raise DamagedPickle("it is longer than that of any model")

    def _literal(self, value: object) -> None:
        if isinstance(value, int) and value.bit_length() > MAX_NUMBER_BITS:
            raise DamagedPickle("a number is larger than any in a model")
        self._push(value)

    def _push(self, value: object) -> None:
        self._stack.append(value)

    def _pop(self) -> object:
        value = self._stack.pop()
        if value is _MARK:
            raise DamagedPickle("a group is empty where a value is needed")
        return value

    def _pop_group(self) -> list[object]:
        """Take everything above the last mark, and the mark."""
        for position in range(len(self._stack) - 1, -1, -1):
            if self._stack[position] is _MARK:
                group = self._stack[position + 1 :]
                del self._stack[position:]
                return group
        raise DamagedPickle("a group has no beginning")

    # Names. The only place where the file says what it wants to use.

    def global_name(self, argument: object) -> None:
        self._push(self._allowed(str(argument).replace(" ", ".")))

    def stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise DamagedPickle("a name is no text")
        self._push(self._allowed(f"{module}.{name}"))

    def _allowed(self, name: str) -> Global:
        self._spend(NAME_STEPS)
        if is_allowed(name):
            return Global(name)
        raise UnsafeFileError(
            f"“{self._source}” was refused: its pickle refers to “{shown(name)}”, which is not model data and could "
            "run code. Nothing was run. Get the model as .safetensors, or delete the file."
        )

    # Objects.

    def reduce(self) -> None:
        arguments, function = self._pop(), self._pop()
        if isinstance(arguments, tuple):
            # One list can be the argument of any number of calls.
            self._spend(sum(map(length_of_list, cast("tuple[object, ...]", arguments))))
        self._push(build(function, cast("object", arguments)))

    def object_of_class(self) -> None:
        self._pop()
        self._push(new_object(self._pop()))

    def object_with_keywords(self) -> None:
        self._pop()
        self.object_of_class()

    def object_of_group(self) -> None:
        self._push(new_object(self._pop_group()[0]))

    def instance(self, argument: object) -> None:
        self._pop_group()
        self.global_name(argument)
        self._push(new_object(self._pop()))

    def set_state(self) -> None:
        state, target = self._pop(), self._stack[-1]
        if isinstance(target, ParameterHolder):
            parameters = parameters_of(state)
            self._spend(len(parameters))
            target.update(parameters)

    def persistent(self) -> None:
        identity = self._pop()
        kind = class_name(identity)
        if kind is not None:
            self._push(kind)
            return
        storage = storage_record(identity)
        self.storages[storage.key] = storage
        self._push(storage)

    # Containers. Sets occur only beside the weights and become placeholders.

    def tuple_of(self, length: int) -> None:
        values = [self._pop() for _ in range(length)]
        self._push(tuple(reversed(values)))

    def tuple_of_group(self) -> None:
        self._push(tuple(self._pop_group()))

    def list_of_group(self) -> None:
        self._push(self._pop_group())

    def set_of_group(self) -> None:
        self._pop_group()
        self._push(Placeholder())

    def dict_of_group(self) -> None:
        group = self._pop_group()
        self._push(items(zip(group[::2], group[1::2], strict=True)))

    def append(self) -> None:
        self._extend([self._pop()])

    def append_group(self) -> None:
        self._extend(self._pop_group())

    def _extend(self, values: list[object]) -> None:
        target = self._stack[-1]
        if isinstance(target, list):
            cast("list[object]", target).extend(values)
        elif not isinstance(target, Placeholder):
            raise DamagedPickle("values are appended to something that is no list")

    def set_item(self) -> None:
        value, key = self._pop(), self._pop()
        self._set_items([key, value])

    def set_items(self) -> None:
        self._set_items(self._pop_group())

    def _set_items(self, group: list[object]) -> None:
        target = self._stack[-1]
        if isinstance(target, dict):
            cast("dict[object, object]", target).update(items(zip(group[::2], group[1::2], strict=True)))
        elif not isinstance(target, Placeholder):
            raise DamagedPickle("items are set in something that is no dict")

    # The stack and the memo.

    def mark(self) -> None:
        self._push(_MARK)

    def discard(self) -> None:
        self._stack.pop()

    def discard_group(self) -> None:
        self._pop_group()

    def duplicate(self) -> None:
        self._push(self._stack[-1])

    def remember(self, index: object) -> None:
        self._memo[index] = self._stack[-1]

    def remember_next(self) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def recall(self, index: object) -> None:
        self._push(self._memo[index])


# Numbers, strings and bytes; `pickletools` has already decoded them.
_LITERALS = frozenset(
    [
        *("INT", "LONG", "LONG1", "LONG4", "BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    ]
)

_CONSTANTS: dict[str, Callable[[], object]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": Placeholder,
}

_WITH_ARGUMENT: dict[str, Callable[[_Machine, object], None]] = {
    "GLOBAL": _Machine.global_name,
    "INST": _Machine.instance,
    "PUT": _Machine.remember,
    "BINPUT": _Machine.remember,
    "LONG_BINPUT": _Machine.remember,
    "GET": _Machine.recall,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
}

_WITHOUT_ARGUMENT: dict[str, Callable[[_Machine], None]] = {
    "STACK_GLOBAL": _Machine.stack_global,
    "REDUCE": _Machine.reduce,
    "NEWOBJ": _Machine.object_of_class,
    "NEWOBJ_EX": _Machine.object_with_keywords,
    "OBJ": _Machine.object_of_group,
    "BUILD": _Machine.set_state,
    "BINPERSID": _Machine.persistent,
    "TUPLE": _Machine.tuple_of_group,
    "TUPLE1": lambda machine: machine.tuple_of(1),
    "TUPLE2": lambda machine: machine.tuple_of(2),
    "TUPLE3": lambda machine: machine.tuple_of(3),
    "LIST": _Machine.list_of_group,
    "DICT": _Machine.dict_of_group,
    "FROZENSET": _Machine.set_of_group,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.append_group,
    "ADDITEMS": _Machine.append_group,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "MARK": _Machine.mark,
    "POP": _Machine.discard,
    "POP_MARK": _Machine.discard_group,
    "DUP": _Machine.duplicate,
    "MEMOIZE": _Machine.remember_next,
}
