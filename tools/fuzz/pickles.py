"""Fuzzes what reads pickles: `python -m tools.fuzz.pickles --minutes 5`."""

from tools.fuzz.fuzzer import Target, fuzz

# Behind the fuzzer, which sees what it imports.
from tools.fuzz.containers import torch_legacy, torch_zip  # isort: skip
from tools.fuzz.seeds import pickles, torch_files  # isort: skip

NUMBERS = bytes(4096)

WORDS = (
    *(b"cposix\nsystem\n", b"cbuiltins\neval\n", b"csubprocess\nPopen\n", b"ctorch._utils\n_rebuild_tensor_v2\n"),
    *(b"ctorch._utils\n_rebuild_parameter\n", b"ctorch._tensor\n_rebuild_from_type_v2\n", b"ctorch\nFloatStorage\n"),
    *(b"ccollections\nOrderedDict\n", b"ccopyreg\n_reconstructor\n", b"c_codecs\nencode\n", b"ctorch\nSize\n"),
    *(b"ctorch.nn.modules.container\nParameterDict\n", b"X\x0b\0\0\0_parameters", b"X\x07\0\0\0storage"),
    *(
        b"X\x06\0\0\0module",
        b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x8c\x02os\x8c\x06system\x93",
        b"PK\x03\x04",
    ),
    *(
        b"PK\x01\x02",
        b"PK\x05\x06",
        b"PK\x06\x06",
        b"archive/data.pkl",
        b"archive/data/0",
        b")R",
        b")\x81",
        b"}b",
        b"tQ",
    ),
)

if __name__ == "__main__":
    fuzz(
        Target(
            suffix=".pt",
            readers=("weights", "embedding", "hypernetwork", "adapter", "library"),
            wrappers=(bytes, lambda data: torch_zip(data, NUMBERS), torch_legacy),
            seeds=(torch_files(), pickles(), pickles()),
            words=WORDS,
        )
    )
