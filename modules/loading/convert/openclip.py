"""From open_clip's text transformer to the names and shapes of transformers' `CLIPTextModel`."""

from collections.abc import Iterator, Mapping

from modules.loading.convert.names import renamed
from modules.loading.mapped import StoredTensor

IGNORED_OPENCLIP = ("logit_scale", "logit_bias", "attn_mask", "visual.")

_MODULES = {
    "token_embedding": "embeddings.token_embedding",
    "ln_final": "final_layer_norm",
}
_IN_LAYER = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
_ATTENTION_INPUTS = ("q_proj", "k_proj", "v_proj")
_LAYERS = "transformer.resblocks."


def openclip_text(tensors: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """Return where transformers' weights lie in a file that has them in open_clip's form.

    Queries, keys and values are one matrix there, and the projection stands on its side. Names that are not known stay
    what they are, so that they can be complained about.

    Args:
        tensors: by open_clip's names.
    """
    return {
        name: tensor
        for old, stored in tensors.items()
        if not old.startswith(IGNORED_OPENCLIP)
        for name, tensor in _converted(old, stored)
    }


def _converted(name: str, stored: StoredTensor) -> Iterator[tuple[str, StoredTensor]]:
    if name.startswith(_LAYERS):
        number, _, rest = name.removeprefix(_LAYERS).partition(".")
        yield from _in_layer(f"encoder.layers.{number}.", rest, stored)
    elif name == "positional_embedding":
        yield "embeddings.position_embedding.weight", stored
    elif name == "text_projection" and len(stored.shape) == 2:
        yield "text_projection.weight", stored.transposed()
    else:
        yield renamed(name, _MODULES), stored


def _in_layer(layer: str, name: str, stored: StoredTensor) -> Iterator[tuple[str, StoredTensor]]:
    if name not in ("attn.in_proj_weight", "attn.in_proj_bias") or not stored.shape:
        yield layer + renamed(name, _IN_LAYER), stored
        return
    width = stored.shape[0] // len(_ATTENTION_INPUTS)
    kind = name.rpartition("_")[2]
    for number, part in enumerate(_ATTENTION_INPUTS):
        yield f"{layer}self_attn.{part}.{kind}", stored.rows(number * width, (number + 1) * width)
