"""Pickles that mean harm are refused and run nothing; those of checkpoints are read."""

import collections
import io
import pickle
from pathlib import Path
from typing import Any

import pytest

from modules.core.errors import ModelFileError, UnsafeFileError
from modules.loading import safe_pickle
from modules.loading.pickle_data import Global, Placeholder, StorageRecord, TensorRecord
from modules.loading.safe_pickle import read_pickle
from tests.checkpoint_variants import MakesFile

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def read(data: bytes) -> Any:
    return read_pickle(io.BytesIO(data), source="model.ckpt").value


def call(name: str, argument: str) -> bytes:
    """A pickle that calls the function `name` ("module function") with one text."""
    return f"c{name.replace(' ', chr(10))}\n(V{argument}\ntR.".encode()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_code_is_refused_and_does_not_run(tmp_path: Path, protocol: int) -> None:
    marker = tmp_path / "marker"
    harmful = pickle.dumps({"a": [1, {"b": MakesFile(marker)}]}, protocol=protocol)
    with pytest.raises(UnsafeFileError) as caught:
        read(harmful)
    assert "“model.ckpt” was refused" in str(caught.value)
    assert ".exec”" in str(caught.value)
    assert "Nothing was run" in str(caught.value)
    assert not marker.exists()
    pickle.loads(harmful)
    assert marker.exists(), "the pickle of this test is not dangerous at all"


@pytest.mark.parametrize(
    "name",
    [
        "os system",
        "posix system",
        "nt system",
        "builtins eval",
        "builtins exec",
        "builtins getattr",
        "builtins __import__",
        "__builtin__ eval",
        "subprocess Popen",
        "subprocess check_output",
        "runpy _run_code",
        "importlib import_module",
        "operator attrgetter",
        "functools partial",
        "webbrowser open",
        "socket create_connection",
        "shutil rmtree",
        "torch load",
        "torch._utils import_module",
        "torch.hub load",
        "torch.jit load",
        "torch.serialization load",
        "numpy.testing._private.utils runstring",
        "numpy load",
        "pip main",
        "modules.core.paths resolve_paths",
        "__main__ Anything",
        "torch.nn.modules.linear Linear",
    ],
)
def test_names_that_are_no_model_data_are_refused(name: str) -> None:
    with pytest.raises(UnsafeFileError, match=name.replace(" ", r"\.")):
        read(call(name, "echo"))


def test_names_from_the_stack_are_refused_too() -> None:
    by_opcode = pickle.PROTO + b"\4" + b"\x8c\2os" + b"\x8c\6system" + pickle.STACK_GLOBAL + b"\x8c\4echo\x85R."
    with pytest.raises(UnsafeFileError, match=r"os\.system"):
        read(by_opcode)
    with pytest.raises(UnsafeFileError, match=r"os\.system"):
        read(b"(Vecho\nios\nsystem\n.")
    with pytest.raises(UnsafeFileError, match=r"torch\._utils\._rebuild_tensor_v2\.__globals__"):
        read(pickle.PROTO + b"\4\x8c\5torch\x8c\x26_utils._rebuild_tensor_v2.__globals__x" + pickle.STACK_GLOBAL + b".")


def test_an_allowed_name_is_only_a_name() -> None:
    assert read(b"ctorch._utils\n_rebuild_tensor_v2\n.") == Global("torch._utils._rebuild_tensor_v2")


def test_setting_state_changes_nothing() -> None:
    before, ordered_dict = dict(vars(Global)), dict(vars(collections.OrderedDict))
    read(b"ccollections\nOrderedDict\n(dVmove_to_end\nNsb.")
    read(b"cbuiltins\ndict\n(N(dVx\nNstb.")
    assert vars(Global) == before
    assert dict(vars(collections.OrderedDict)) == ordered_dict


def test_training_leftovers_become_placeholders() -> None:
    callback = "cpytorch_lightning.callbacks.model_checkpoint\nModelCheckpoint\n"
    content = read(
        f"(d{callback}V1\nsVobject\n{callback})\x81(dVa\nV2\nsbsVcall\n{callback}(V1\ntRs.".encode("latin-1")
    )
    assert Global("pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint") in content
    assert isinstance(content["object"], Placeholder)
    assert isinstance(content["call"], Placeholder)


def test_numpy_scalars_of_old_checkpoints() -> None:
    scalar = (
        b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(Vf8\nI00\nI01\ntR(I3\nV<\nNNNI-1\nI-1\nI0\ntb"
        b"c_codecs\nencode\n(Vabcdefgh\nVlatin1\ntRtR."
    )
    assert isinstance(read(scalar), Placeholder)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_data(protocol: int) -> None:
    data: dict[object, object] = {
        "constants": [None, True, False],
        "numbers": [0, -1, 300, 2**40, 2**80, 0.5],
        "text": ("ü", b"\xff\0"),
        "nested": {"tuple": (1, (2, 3, 4, 5), ()), "list": [[]]},
        7: "seven",
    }
    assert read(pickle.dumps(data, protocol=protocol)) == data


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_ordered_dicts_are_dicts(protocol: int) -> None:
    assert read(pickle.dumps(collections.OrderedDict(a=1, b=2), protocol=protocol)) == {"a": 1, "b": 2}


def test_tensors_and_their_storages() -> None:
    pid = b"(Vstorage\nctorch\nHalfStorage\nV0\nVcpu\nI6\ntQ"
    data = read_pickle(
        io.BytesIO(b"ctorch._utils\n_rebuild_tensor_v2\n(" + pid + b"I1\n(I2\nI2\nt(I2\nI1\ntI00\nNtR."), source="x"
    )
    storage = StorageRecord(dtype="float16", key="0", count=6, view=None)
    assert data.value == TensorRecord(storage=storage, offset=1, shape=(2, 2), stride=(2, 1))
    assert data.storages == {"0": storage}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"}",
        b".",
        b"(.",
        b"R.",
        b"NNR.",
        b"]NR.",
        b"}]s.",
        b"N]a.",
        b"h\5.",
        b"u.",
        b"tR.",
        b"(I1\nd.",
        b"\x80\4\x8c\xffshort",
        b"V1\nQ.",
        b"(Vstorage\nVx\nV0\nVcpu\nI6\ntQ.",
        b"(Vstorage\nctorch\nSize\nV0\nVcpu\nI6\ntQ.",
        b"(Vstorage\nctorch\nHalfStorage\nV0\nVcpu\nI-6\ntQ.",
        b"ctorch._utils\n_rebuild_tensor_v2\n(Nt\nR.",
        b"ctorch._utils\n_rebuild_tensor_v2\n)R.",
        b"ctorch\nSize\n(Vx\ntR.",
        b"c_codecs\nencode\n(I1\ntR.",
        b"\x82\1.",
        b"\x97.",
        b"\xff.",
    ],
)
def test_nonsense_is_an_error_and_no_crash(data: bytes) -> None:
    with pytest.raises(ModelFileError, match=r"“model\.ckpt” is damaged or truncated"):
        read(data)


def test_keys_whose_hash_takes_forever_are_left_out() -> None:
    # A tuple of twice the same tuple, and so on: each level doubles the time that its hash takes.
    assert read(b"}(I1\nt" + b"2\x86" * 10 + b"I1\ns.") == {}


def test_the_package_never_uses_the_unsafe_readers() -> None:
    folder = Path(safe_pickle.__file__).parent
    for file in folder.rglob("*.py"):
        code = file.read_text(encoding="utf-8")
        for forbidden in ("torch.load", "import pickle\n", "pickle.load", "Unpickler", "weights_only"):
            assert forbidden not in code, f"{file.name} uses {forbidden}"
