"""Pickles that ask for code, in every way that Python's machine knows, and the global that each asks for."""

import os
import pickle
import struct
from functools import partial

from tests.hostile.hostile_file import COMMAND, SENTINEL, HostileFile
from tools.fuzz.containers import LEGACY_HEAD, torch_legacy, torch_zip


def text(value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<L", len(data)) + data


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def call(module: str, name: str, *arguments: bytes) -> bytes:
    return named(module, name) + b"(" + b"".join(arguments) + b"tR"


def whole(content: bytes, protocol: int = 2) -> bytes:
    return b"\x80" + bytes([protocol]) + content + b"."


ECHO = text(COMMAND)
PYTHON = text(f"open({SENTINEL!r}, 'w')")
SYSTEM = call("os", "system", ECHO)
STORAGE = b"(" + text("storage") + named("torch", "FloatStorage") + text("0") + text("cpu") + b"K\4tQ"


class _System:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (COMMAND,)  # pyright: ignore[reportDeprecated]


def _tensor(hooks: bytes) -> bytes:
    return named("torch._utils", "_rebuild_tensor_v2") + b"(" + STORAGE + b"K\0K\4\x85K\1\x85\x89" + hooks + b"tR"


def _from_memo() -> bytes:
    return whole(b"\x8c\6system\x94\x8c\2os\x940h\1h\0\x93" + ECHO + b"\x85R", 4)


def _from_stack(module: str, name: str) -> bytes:
    return whole(text(module) + text(name) + b"\x93" + ECHO + b"\x85R", 4)


# By what is special about them.
CODE: dict[str, tuple[bytes, str]] = {
    **{
        f"os.system by REDUCE, protocol {protocol}": (
            pickle.dumps({"state_dict": {"a": _System()}}, protocol),
            f"{os.name if os.name == 'nt' else 'posix'}.system",
        )
        for protocol in range(6)
    },
    "in the hooks of a tensor": (
        whole(b"}" + text("w") + _tensor(b"}" + text("h") + SYSTEM + b"s") + b"s"),
        "os.system",
    ),
    "in the state of a numpy array of objects": (
        whole(
            call("numpy.core.multiarray", "_reconstruct", named("numpy", "ndarray"), b"K\0\x85", text("b"))
            + b"(K\1K\1\x85"
            + call("numpy", "dtype", text("O8"), b"\x89\x88")
            + b"\x89]"
            + SYSTEM
            + b"atb"
        ),
        "os.system",
    ),
    "eval": (whole(call("builtins", "eval", PYTHON)), "builtins.eval"),
    "exec": (whole(call("__builtin__", "exec", PYTHON)), "__builtin__.exec"),
    "compile": (whole(call("builtins", "compile", PYTHON, text("x"), text("exec"))), "builtins.compile"),
    "getattr": (whole(call("builtins", "getattr", named("builtins", "dict"), text("get"))), "builtins.getattr"),
    "__import__": (whole(call("builtins", "__import__", text("os"))), "builtins.__import__"),
    "open for writing": (whole(call("io", "open", text(SENTINEL), text("w"))), "io.open"),
    "nt.system": (whole(call("nt", "system", ECHO)), "nt.system"),
    "Popen by NEWOBJ": (whole(named("subprocess", "Popen") + ECHO + b"\x85\x81"), "subprocess.Popen"),
    "Popen by NEWOBJ_EX": (whole(named("subprocess", "Popen") + ECHO + b"\x85}\x92", 4), "subprocess.Popen"),
    "Popen by OBJ": (whole(b"(" + named("subprocess", "Popen") + ECHO + b"o"), "subprocess.Popen"),
    "Popen by INST": (whole(b"(" + ECHO + b"isubprocess\nPopen\n"), "subprocess.Popen"),
    "STACK_GLOBAL of the memo": (_from_memo(), "os.system"),
    "dotted name through an allowed module": (_from_stack("torch", "_utils.sys.modules.os.system"), "torch._utils"),
    "dotted name through a trainer's package": (
        _from_stack("pytorch_lightning.utilities.cloud_io", "os.system"),
        "pytorch_lightning.utilities.cloud_io.os.system",
    ),
    "name with a line end and an escape sequence": (_from_stack("os\n\x1b[2J", "system"), "os"),
    "name of a million dots": (_from_stack("os" + "." * 1_000_000, "system"), "os"),
    "name with half of a surrogate pair": (_from_stack("os\ud800", "system"), "os"),
    "thrown away after the call": (whole(SYSTEM + b"0}"), "os.system"),
    "__setstate__ by BUILD": (
        whole(
            named("collections", "OrderedDict")
            + b"}"
            + text("__setstate__")
            + named("os", "system")
            + b"sb"
            + ECHO
            + b"b"
        ),
        "os.system",
    ),
    "state of slots by BUILD": (
        whole(named("collections", "OrderedDict") + b")R" + b"N}" + text("x") + SYSTEM + b"s\x86b"),
        "os.system",
    ),
    "_reconstructor": (
        whole(call("copyreg", "_reconstructor", named("subprocess", "Popen"), named("builtins", "object"), b"N")),
        "subprocess.Popen",
    ),
    "__newobj__": (whole(call("copyreg", "__newobj__", named("builtins", "object"))), "copyreg.__newobj__"),
    "class with source code": (
        whole(b"(" + text("module") + named("os", "system") + text("x.py") + PYTHON + b"tQ" + ECHO + b"\x85R"),
        "os.system",
    ),
    "state of a ParameterDict": (
        whole(named("torch.nn.modules.container", "ParameterDict") + b")\x81}" + text("_parameters") + SYSTEM + b"sb"),
        "os.system",
    ),
    **{
        f"{module}.{name}": (whole(call(module, name, *arguments)), f"{module}.{name}")
        for module, name, *arguments in (
            ("functools", "partial", named("os", "system"), ECHO),
            ("operator", "methodcaller", text("system"), ECHO),
            ("types", "CodeType", b"K\0"),
            ("marshal", "loads", text("x")),
            ("pickle", "loads", text("x")),
            ("importlib", "import_module", text("antigravity")),
            ("runpy", "run_path", text("x.py")),
            ("ctypes", "CDLL", text("libc.so.6")),
            ("shutil", "rmtree", text("/")),
            ("socket", "create_connection", text("127.0.0.1")),
            ("urllib.request", "urlopen", text("http://127.0.0.1/")),
            ("webbrowser", "open", text("http://127.0.0.1/")),
            ("timeit", "timeit", PYTHON),
            ("torch.storage", "_load_from_bytes", text("x")),
            ("torch.hub", "load", text("a/b"), text("c")),
            ("torch.jit", "load", text("x.pt")),
            ("torch.serialization", "load", text("x.pt")),
            ("torch.fx.graph_module", "reduce_graph_module", b"}", text("import os")),
            ("torch._utils", "_rebuild_sparse_tensor", b"K\0)"),
            ("torch._utils", "_rebuild_qtensor", b"K\0)"),
            ("torch._utils", "_rebuild_device_tensor_from_numpy", b"NNNN"),
            ("torch._utils", "_rebuild_wrapper_subclass", b"NNN"),
            ("torch.nn.modules.linear", "Linear", b"K\1"),
            ("numpy", "load", text("x.npy")),
            ("numpy.testing._private.utils", "runstring", PYTHON, b"}"),
            ("modules.core.paths", "Paths", text("/")),
        )
    },
}


def _after(count: int) -> bytes:
    """The legacy format's first `count` pickles, and then code."""
    pickles = [part + b"." for part in LEGACY_HEAD.split(b".") if part] + [whole(b"}")]
    return b"".join(pickles[:count]) + whole(SYSTEM) + whole(b"}") + whole(b"]")


CODE_FILES: tuple[HostileFile, ...] = (
    *(
        HostileFile(name=f"{name}, zip", make=partial(torch_zip, data, b"\0" * 16), code=code)
        for name, (data, code) in CODE.items()
    ),
    *(
        HostileFile(name=f"{name}, legacy", make=partial(torch_legacy, data), suffix=".pt", code=code)
        for name, (data, code) in CODE.items()
    ),
    *(
        HostileFile(
            name=f"os.system in pickle {count + 1} of the legacy format",
            make=partial(_after, count),
            suffix=".bin",
            code="os.system",
        )
        for count in range(5)
    ),
    *(
        HostileFile(
            name=f"bare pickle of os.system, protocol {protocol}",
            make=partial(pickle.dumps, _System(), protocol),
            suffix=".pt",
            code="system",
        )
        for protocol in range(6)
    ),
)
