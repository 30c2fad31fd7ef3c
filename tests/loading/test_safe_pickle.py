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


def held(parameters: str, pushes_class: str = "ctorch.nn.modules.container\nParameterDict\n") -> bytes:
    """A ParameterDict as PyTorch 1.4 to 1.11 pickled it: its `__dict__`, in which `_parameters` is an OrderedDict."""
    empty = "".join(
        f"V{name}\nccollections\nOrderedDict\n)Rs"
        for name in ("_buffers", "_backward_hooks", "_forward_hooks", "_forward_pre_hooks", "_state_dict_hooks")
    )
    state = f"(dVtraining\nI01\nsV_parameters\n{parameters}s{empty}V_modules\nccollections\nOrderedDict\n)Rs"
    return f"{pushes_class})\x81{state}b.".encode("latin-1")


def test_a_holder_of_parameters_is_a_dict_of_them() -> None:
    parameters = "ccollections\nOrderedDict\n)RV*\nctorch._utils\n_rebuild_parameter\n(I7\nI00\nNtRs"
    assert read(held(parameters)) == {"*": 7}
    by_class_with_source = "(Vmodule\nctorch.nn.modules.container\nParameterDict\nVcontainer.py\nVimport os\ntQ"
    assert read(held(parameters, by_class_with_source)) == {"*": 7}
    reconstructed = b"ccopy_reg\n_reconstructor\n(ctorch.nn.modules.container\nParameterDict\nNNtR"
    assert read(reconstructed + b"(dV_parameters\n(dI1\nI2\nssb.") == {1: 2}


def test_other_states_fill_no_holder() -> None:
    assert read(held("I1\n")) == {}
    holder = b"ctorch.nn.modules.container\nParameterList\n)\x81"
    assert read(holder + b"N(dVx\nI1\ns\x86b.") == {}
    assert read(b"ccollections\nOrderedDict\n)\x81(dV_parameters\n(dVx\nI1\nssb.") == {}


def test_a_pickle_may_have_so_many_instructions() -> None:
    data = b"(" + b"N" * 100 + b"t."
    assert read_pickle(io.BytesIO(data), source="x", max_steps=103).value == (None,) * 100
    with pytest.raises(ModelFileError, match="longer than that of any model"):
        read_pickle(io.BytesIO(data), source="x", max_steps=102)


def test_lists_that_calls_copy_count_as_long_as_they_are() -> None:
    pairs = b"(l" + b"(I1\nNta" * 10 + b"\x85p0\n0"
    twice = pairs + b"ccollections\nOrderedDict\np1\ng0\nRg1\ng0\nR\x86."
    steps = 2 + 10 * 5 + 3 + 3 + 2 + 4 + 2 + 4  # without the lists' entries: instructions, and more for the name
    with pytest.raises(ModelFileError, match="longer than that of any model"):
        read_pickle(io.BytesIO(twice), source="x", max_steps=steps)
    assert read_pickle(io.BytesIO(twice), source="x", max_steps=steps + 20).value == ({1: None}, {1: None})


def test_only_classes_of_trainers_are_known() -> None:
    assert read(b"cdiffusers.configuration_utils\nFrozenDict\n.") == Global("diffusers.configuration_utils.FrozenDict")
    for name in ("diffusers.utils run", "omegaconf.os system", "omegaconf_ Evil"):
        with pytest.raises(UnsafeFileError):
            read(call(name, "echo"))


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
        "text": ("ü", "", "a\nb\\"),
        "nested": {"tuple": (1, (2, 3, 4, 5), ()), "list": [[]]},
        7: "seven",
    }
    assert read(pickle.dumps(data, protocol=protocol)) == data


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_bytes_stand_beside_the_weights_and_stop_nothing(protocol: int) -> None:
    assert read(pickle.dumps({"bytes": b"\xff\0", "after": 1}, protocol=protocol))["after"] == 1


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
        b"\x8a\x82" + b"\1" * 130 + b".",
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
