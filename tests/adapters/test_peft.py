"""Files that PEFT and diffusers write, and what their own layers do with them."""

from pathlib import Path
from typing import Any, cast

import pytest
from diffusers.utils import state_dict_utils
from peft import LoHaConfig, LoKrConfig, LoraConfig, OFTConfig, get_peft_model
from peft.utils import save_and_load
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]  # os.PathLike without argument
from torch import Tensor, nn

from modules.adapters.adapter_file import read_adapter
from modules.adapters.keys import index_components
from modules.adapters.kinds.base import Use
from tests.adapters.tiny_networks import apply, assert_same, fill, tiny_text_encoder, tiny_unet

STYLES, TOOLS = cast("Any", state_dict_utils), cast("Any", save_and_load)  # without types

LINEAR = ["to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out"]
ALL = [*LINEAR, "ff.net.0.proj", "ff.net.2", "conv1", "conv2", "conv_in", "linear_1"]

LORAS: dict[str, dict[str, Any]] = {
    "lora": {"r": 4, "lora_alpha": 2},
    "stabilised": {"r": 4, "lora_alpha": 2, "use_rslora": True},
    "patterns": {"r": 4, "lora_alpha": 2, "rank_pattern": {"to_q": 2}, "alpha_pattern": {"to_q": 3, "attn1.to_k": 5}},
    "dora": {"r": 4, "lora_alpha": 2, "use_dora": True},
    "bias": {"r": 4, "lora_alpha": 2, "lora_bias": True},
}


@pytest.mark.parametrize("name", LORAS)
def test_unet_saved_by_save_lora_adapter(name: str, tmp_path: Path) -> None:
    ours, theirs = tiny_unet(), tiny_unet()
    unet = cast("Any", theirs)
    targets = [target for target in ALL if name != "bias" or target not in {"to_q", "to_k", "to_v"}]
    unet.add_adapter(LoraConfig(target_modules=targets, **LORAS[name]))
    fill(theirs, 3)
    unet.save_lora_adapter(tmp_path)
    adapter = read_adapter(
        tmp_path / "pytorch_lora_weights.safetensors", index_components({"unet": ours}, family="SD 1.x")
    )
    assert adapter.unmatched == ()
    apply(adapter, ours, "unet", Use(strength=1.0))
    assert_same(ours, theirs, tiny_unet(), at_least=40)


OTHERS = {
    "lora": LoraConfig(r=4, lora_alpha=2, target_modules=ALL),
    "loha": LoHaConfig(r=4, alpha=2, target_modules=ALL),
    "loha-tucker": LoHaConfig(r=4, alpha=2, target_modules=ALL, use_effective_conv2d=True),
    "lokr": LoKrConfig(r=2, alpha=3, target_modules=ALL),
    "lokr-both": LoKrConfig(r=2, alpha=3, target_modules=ALL, decompose_both=True, use_effective_conv2d=True),
    "oft": OFTConfig(oft_block_size=4, r=0, target_modules=LINEAR),
    "oft-exact": OFTConfig(oft_block_size=4, r=0, target_modules=LINEAR, use_cayley_neumann=False),
    "oft-shared": OFTConfig(oft_block_size=4, r=0, target_modules=LINEAR, block_share=True),
}


@pytest.mark.parametrize("name", OTHERS)
def test_saved_by_peft_with_its_settings_beside_it(name: str, tmp_path: Path) -> None:
    ours, plain = tiny_unet(), tiny_unet()
    model = cast("Any", get_peft_model(cast("Any", tiny_unet()), OTHERS[name]))
    fill(model, 3, scale=0.1)
    model.save_pretrained(tmp_path)
    adapter = read_adapter(tmp_path / "adapter_model.safetensors", index_components({"unet": ours}, family="SD 1.x"))
    assert adapter.unmatched == ()
    apply(adapter, ours, "unet", Use(strength=1.0))
    assert_same(ours, model.base_model.model, plain, at_least=20)


def _of_both() -> tuple[nn.Module, nn.Module, dict[str, Tensor]]:
    """A UNet and a text encoder with LoRAs, and their tensors as pipelines of diffusers save them."""
    unet, text = tiny_unet(), tiny_text_encoder()
    cast("Any", unet).add_adapter(LoraConfig(r=4, lora_alpha=4, target_modules=LINEAR))
    wrapped = cast(
        "Any",
        get_peft_model(
            cast("Any", text), LoraConfig(r=4, lora_alpha=4, target_modules=["q_proj", "v_proj", "out_proj"])
        ),
    )
    fill(unet, 3)
    fill(wrapped, 4)
    of_text: dict[str, Tensor] = TOOLS.get_peft_model_state_dict(wrapped)
    tensors = {f"unet.{name}": tensor for name, tensor in TOOLS.get_peft_model_state_dict(cast("Any", unet)).items()}
    # Trainers have versions of transformers with one more level.
    tensors |= {
        name.replace("base_model.model.", "text_encoder.text_model."): tensor for name, tensor in of_text.items()
    }
    return unet, wrapped.base_model.model, tensors


@pytest.mark.parametrize("style", ["peft", "diffusers", "kohya"])
def test_unet_and_text_encoder_in_all_styles_of_diffusers(style: str, tmp_path: Path) -> None:
    theirs, their_text, tensors = _of_both()
    if style == "diffusers":
        tensors = cast("dict[str, Tensor]", STYLES.convert_state_dict_to_diffusers(tensors))
        assert any(".lora_linear_layer.up.weight" in name for name in tensors)
        assert any(".lora.down.weight" in name for name in tensors)
    elif style == "kohya":
        tensors = cast("dict[str, Tensor]", STYLES.convert_state_dict_to_kohya(tensors))
        assert any(name.startswith("lora_te1_text_model_encoder_layers_0") for name in tensors)
        assert any(name.startswith("lora_unet_") for name in tensors)
    path = tmp_path / "lora.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    ours, text = tiny_unet(), tiny_text_encoder()
    adapter = read_adapter(path, index_components({"unet": ours, "text_encoder": text}, family="SD 1.x"))
    assert adapter.unmatched == ()
    apply(adapter, ours, "unet", Use(strength=1.0))
    apply(adapter, text, "text_encoder", Use(strength=1.0))
    assert_same(ours, theirs, tiny_unet(), at_least=20)
    assert_same(text, their_text, tiny_text_encoder(), at_least=6)
