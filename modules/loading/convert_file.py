"""Turns a file of weights into a safetensors file, above all pickles, which then can harm nobody.

Names stay as they are, but for those of embeddings: A1111 and others find them in safetensors files as `emb_params`.
"""

from collections.abc import Callable, Mapping

import torch

from modules.core.cancellation import CancelToken
from modules.core.conversion import Averages, Conversion, Converted, NumberFormat
from modules.core.errors import ModelFileError
from modules.library.kinds import ModelKind, recognise
from modules.library.safetensors_header import read_header
from modules.loading.detect import EMA_UNET, UNET
from modules.loading.mapped import StoredTensor
from modules.loading.safetensors_writer import Outgoing, write_safetensors
from modules.loading.scaled_float8 import with_scales
from modules.loading.torch_file import FileContent
from modules.loading.weights_file import open_content

EMBEDDING = "emb_params"
_EMBEDDING_PAIR = ("clip_g", "clip_l")
_TRAINED = "string_to_param."
_EMBEDDING_TEXTS = ("name", "step", "sd_checkpoint", "sd_checkpoint_name")

_EMA = "model_ema."
_FORMATS: Mapping[NumberFormat, torch.dtype] = {
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "fp32": torch.float32,
}
# What a header says of the bytes behind it, which are other ones then.
_HASHES = ("sshs_model_hash", "sshs_legacy_hash", "modelspec.hash_sha256")

_Tensors = dict[str, StoredTensor]


def convert_file(
    conversion: Conversion, on_progress: Callable[[float], None] = lambda _: None, token: CancelToken | None = None
) -> Converted:
    """Write the weights of a `.safetensors` file or of one of `torch.save` as a safetensors file.

    What a training checkpoint holds beside its weights is left out; so is what becomes untrue (hashes in the header).

    Raises:
        UnsafeFileError: a pickle that refers to more than data; nothing of it was run.
        ModelFileError: the file is missing, damaged, or cannot be converted as it is asked for.
        OutputError: the file cannot be written; nothing is left behind.
        Interrupted: the token was interrupted; nothing is left behind.
    """
    source = conversion.source
    if source.is_dir():
        raise ModelFileError(f"“{source.name}” is a folder. Convert the files in it one by one.")
    content = open_content(source)
    kind = recognise(content.tensors, lambda name: content.tensors[name].shape).kind
    # Weights in 8 bits with a scale stay pairs unless another format is asked for: then each becomes what it means.
    stored = content.tensors if conversion.numbers == "keep" else with_scales(content.tensors, source=source.name)
    tensors, notes = _chosen(stored, kind, conversion.averages, file=source.name)
    if kind is ModelKind.EMBEDDING:
        tensors = _renamed_embedding(tensors)
    outgoing = {
        name: Outgoing(stored=tensor, dtype=_dtype(name, tensor, kind, conversion.numbers))
        for name, tensor in tensors.items()
    }
    _check(outgoing, kind, file=source.name)
    texts = _texts(conversion, content, kind)
    size = write_safetensors(
        conversion.target, outgoing, texts, replace=conversion.replace, on_progress=on_progress, token=token
    )
    return Converted(tensors=len(outgoing), size=size, notes=notes)


def _check(tensors: Mapping[str, Outgoing], kind: ModelKind, *, file: str) -> None:
    if not tensors:
        raise ModelFileError(f"“{file}” holds no weights, so there is nothing to convert.")
    if kind is ModelKind.HYPERNETWORK:
        raise ModelFileError(
            f"“{file}” is a hypernetwork, and no program reads one from a safetensors file: its activation functions "
            "have no place there. It can be used as it is, for nothing in it is ever run here."
        )


def _chosen(tensors: _Tensors, kind: ModelKind, averages: Averages, *, file: str) -> tuple[_Tensors, tuple[str, ...]]:
    """Return the tensors to write, and what should be known of the choice."""
    averaged = {name for name in tensors if name.startswith(_EMA)}
    if averages == "keep" or kind is not ModelKind.CHECKPOINT:
        return tensors, ()
    if not averaged:
        return tensors, (f"“{file}” holds no running averages (EMA).",)
    if not any(name.startswith(UNET) for name in tensors):
        if averages == "drop":
            raise ModelFileError(f"“{file}” has no other weights than its running averages (EMA). Keep them.")
        return tensors, (f"“{file}” has no other weights than its running averages (EMA), which are kept.",)
    kept = {name: stored for name, stored in tensors.items() if name not in averaged}
    if averages == "prefer":
        kept = {name: _average(tensors, name, stored) for name, stored in kept.items()}
    return kept, ()


def _average(tensors: _Tensors, name: str, plain: StoredTensor) -> StoredTensor:
    """The running average of a weight, whose name has lost its dots; the weight itself where there is none."""
    if not name.startswith(UNET):
        return plain
    found = tensors.get(EMA_UNET + name.removeprefix(UNET).replace(".", ""), plain)
    return found if found.shape == plain.shape else plain


def _renamed_embedding(tensors: _Tensors) -> _Tensors:
    if all(name in tensors for name in _EMBEDDING_PAIR):
        return {name: tensors[name] for name in _EMBEDDING_PAIR}
    trained = [name for name in tensors if name.startswith(_TRAINED)] or list(tensors)
    return {EMBEDDING: tensors[trained[0]]} if len(trained) == 1 else tensors


def _dtype(name: str, stored: StoredTensor, kind: ModelKind, numbers: NumberFormat) -> torch.dtype:
    """The format to write: integers stay, and so do the noise schedules at the top of a checkpoint."""
    is_schedule = kind is ModelKind.CHECKPOINT and "." not in name
    if numbers == "keep" or is_schedule or not stored.dtype.is_floating_point:
        return stored.dtype
    return _FORMATS[numbers]


def _texts(conversion: Conversion, content: FileContent, kind: ModelKind) -> dict[str, str]:
    header = read_header(conversion.source)
    texts = dict(header.texts) if header else dict[str, str]()
    if kind is ModelKind.EMBEDDING:
        said = {name: content.values.get(name) for name in _EMBEDDING_TEXTS}
        texts |= {name: str(value) for name, value in said.items() if isinstance(value, (str, int))}
    return {name: text for name, text in texts.items() if name not in _HASHES} | {"format": "pt"}
