import pytest

from modules.adapters.tensor_names import parse_name


@pytest.mark.parametrize(
    ("name", "module", "part"),
    [
        ("lora_unet_mid_block.lora_up.weight", "lora_unet_mid_block", "lora_up"),
        ("lora_unet_mid_block.lora_mid.weight", "lora_unet_mid_block", "lora_mid"),
        ("lora_unet_mid_block.alpha", "lora_unet_mid_block", "alpha"),
        ("lora_unet_mid_block.dora_scale", "lora_unet_mid_block", "dora_scale"),
        ("lora_unet_mid_block.hada_t2", "lora_unet_mid_block", "hada_t2"),
        ("lora_unet_mid_block.lokr_w2_b", "lora_unet_mid_block", "lokr_w2_b"),
        ("lora_unet_mid_block.weight", "lora_unet_mid_block", "weight"),
        ("lora_unet_mid_block.on_input", "lora_unet_mid_block", "on_input"),
        ("lora_unet_mid_block.a1.weight", "lora_unet_mid_block", "a1"),
        ("lora_unet_mid_block.diff_b", "lora_unet_mid_block", "diff_b"),
        ("oft_unet_mid_block.oft_blocks", "oft_unet_mid_block", "oft_blocks"),
        ("unet.a.b.to_out.0.lora_A.weight", "unet.a.b.to_out.0", "lora_down"),
        ("unet.a.b.to_out.0.lora_B.default.weight", "unet.a.b.to_out.0", "lora_up"),
        ("unet.a.b.lora_B.bias", "unet.a.b", "up_bias"),
        ("unet.a.b.lora_magnitude_vector", "unet.a.b", "lora_magnitude_vector"),
        ("unet.a.b.lora_magnitude_vector.default.weight", "unet.a.b", "lora_magnitude_vector"),
        ("unet.a.b.hada_w1_a.default", "unet.a.b", "hada_w1_a"),
        ("unet.a.b.oft_R.weight", "unet.a.b", "oft_R"),
        ("unet.a.to_q.lora.down.weight", "unet.a.to_q", "lora_down"),
        ("text_encoder.a.q_proj.lora_linear_layer.up.weight", "text_encoder.a.q_proj", "lora_up"),
        ("unet.a.attn1.processor.to_q_lora.down.weight", "unet.a.attn1.to_q", "lora_down"),
        ("a.attn1.processor.to_out_lora.up.weight", "a.attn1.to_out", "lora_up"),
    ],
)
def test_spellings(name: str, module: str, part: str) -> None:
    parsed = parse_name(name)
    assert parsed is not None
    assert (parsed.module, parsed.part) == (module, part)


@pytest.mark.parametrize("name", ["emb_params", "lora_unet_x.lora_up.foo", "a.b.c", ""])
def test_no_part_of_an_adapter(name: str) -> None:
    assert parse_name(name) is None
