"""Fuzzes what reads safetensors files: `python -m tools.fuzz.headers --minutes 5`."""

from tools.fuzz.fuzzer import Target, fuzz

# Behind the fuzzer, which sees what it imports.
from tools.fuzz.containers import with_length, with_numbers  # isort: skip
from tools.fuzz.seeds import safetensors_files, tables  # isort: skip

WORDS = (
    *(
        b'"dtype"',
        b'"shape"',
        b'"data_offsets"',
        b'"__metadata__"',
        b'"F32"',
        b'"F8_E4M3"',
        b'"BOOL"',
        b'"I64"',
        b"[0,0]",
    ),
    *(
        b"NaN",
        b"Infinity",
        b"-1",
        b"9223372036854775808",
        b"1e999",
        b"null",
        b"true",
        b"[[",
        b"]]",
        b"{{",
        b"}}",
        b'"\\ud800"',
    ),
    *(b".lora_up.weight", b".lora_down.weight", b".alpha", b".dora_scale", b".hada_w1_a", b".lokr_w1", b".oft_blocks"),
    *(b".diff", b".lora_mid.weight", b".on_input", b"bundle_emb.", b"emb_params", b"clip_l", b"clip_g", b"lora_unet_"),
    *(b"ss_tag_frequency", b"ss_resolution", b"modelspec.", b"lora_adapter_metadata", b"\\u0000", b"\xed\xa0\x80"),
)


if __name__ == "__main__":
    fuzz(
        Target(
            suffix=".safetensors",
            readers=("weights", "embedding", "adapter", "library"),
            wrappers=(bytes, with_length, with_numbers),
            seeds=(safetensors_files(), tables(), tables()),
            words=WORDS,
        )
    )
