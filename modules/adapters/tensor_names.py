"""What a name in an adapter's file says: which module is meant, and which part of the adapter it is."""

import re
from dataclasses import dataclass

from modules.adapters.kinds.glora import Glora
from modules.adapters.kinds.ia3 import Ia3
from modules.adapters.kinds.loha import Loha
from modules.adapters.kinds.lokr import Lokr
from modules.adapters.kinds.oft import Oft
from modules.adapters.kinds.oft_input import OftInput
from modules.adapters.kinds.sparse import Sparse

BUNDLE = "bundle_emb."
"""Before the names of embeddings that lie in the same file."""

WEIGHT_DIFFERENCES, BIAS_DIFFERENCES = ("diff", "w_norm"), ("diff_b", "b_norm")
"""Parts that are whole differences of a weight or a bias."""

RESIDUAL = "bias"
"""What an extraction left over, of the shape of the weight in spite of its name."""

UP_BIAS = "up_bias"
"""The bias of a LoRA's upper half, with which PEFT can train."""

MAGNITUDES, PEFT_MAGNITUDES = "dora_scale", "lora_magnitude_vector"
"""Of DoRA, as LyCORIS and PEFT keep them; see `Dora.around`."""

FACTORS = ("alpha", "scale", "scalar")
"""Numbers; see `kinds.base.Parts`: its `alpha`, `scale` and `multiplier`."""

# By the end of a name: the part's name in `kinds.base.Parts`.
_PLAIN = (
    *Loha.parts,
    *Lokr.parts,
    *Oft.parts,
    *Ia3.parts,
    *OftInput.parts,
    *Sparse.marks,
    *WEIGHT_DIFFERENCES,
    *BIAS_DIFFERENCES,
    *FACTORS,
    RESIDUAL,
    MAGNITUDES,
    PEFT_MAGNITUDES,
)
_UP = ("lora_up", "lora_B", "lora.up", "lora_linear_layer.up")
_DOWN = ("lora_down", "lora_A", "lora.down", "lora_linear_layer.down")
_ENDINGS = {
    **{name: name for name in _PLAIN},
    **{f"{name}.weight": name for name in Glora.parts},
    **{f"{spelling}.weight": "lora_up" for spelling in _UP},
    **{f"{spelling}.weight": "lora_down" for spelling in _DOWN},
    "lora_mid.weight": "lora_mid",
    "lora_up.bias": UP_BIAS,
    "lora_B.bias": UP_BIAS,
    f"{PEFT_MAGNITUDES}.weight": PEFT_MAGNITUDES,
    "oft_R.weight": "oft_R",
}

# diffusers before version 0.22: "….attn1.processor.to_q_lora.down.weight".
_PROCESSOR = re.compile(r"(?:\.processor)?\.(to_[qkv]|to_out)_lora\.(up|down)\.weight$")
_PEFT_ADAPTER = re.compile(r"\.default(?:_\d+)?(?=\.|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PartName:
    """A name taken apart.

    Attributes:
        module: the module's, with the dots and prefixes it has in the file.
        part: see `kinds.base.Parts.tensors`; or one of the names above.
    """

    module: str
    part: str


def parse_name(name: str) -> PartName | None:
    """Take the name of a tensor apart; None if it is no part of an adapter."""
    plain = _PROCESSOR.sub(r".\1.lora.\2.weight", _PEFT_ADAPTER.sub("", name))
    words = plain.split(".")
    for count in (3, 2, 1):
        part = _ENDINGS.get(".".join(words[-count:]))
        if part is not None and len(words) > count:
            return PartName(module=".".join(words[:-count]), part=part)
    return None
