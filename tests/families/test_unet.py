import re
from collections import Counter
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import nn

from modules.families.architecture import TransformerDepths, UNetArchitecture
from modules.families.unet import LdmUpsample, build_unet

TINY = UNetArchitecture(
    model_channels=32,
    channel_mult=(1, 2),
    depths=TransformerDepths.regular([1, 0], middle=1, num_res_blocks=1),
    heads=(4, 8),
    context_dim=16,
)


def transformers(unet: nn.Module) -> dict[str, int]:
    """Return how many blocks each transformer of the network has."""
    blocks = [re.fullmatch(r"(.+)\.transformer_blocks\.\d+\.norm1\.weight", name) for name in unet.state_dict()]
    return Counter(block[1] for block in blocks if block)


def test_the_network_has_no_weights_yet() -> None:
    assert all(parameter.is_meta for parameter in build_unet(TINY).parameters())


def test_attention_has_the_number_of_heads_that_is_asked_for() -> None:
    unet = build_unet(TINY)
    assert unet.get_submodule("down_blocks.0.attentions.0.transformer_blocks.0.attn1").heads == 4
    assert unet.get_submodule("mid_block.attentions.0.transformer_blocks.0.attn1").heads == 8


def test_transformers_are_as_deep_as_is_asked_for() -> None:
    depths = TransformerDepths(down=((0, 0), (2, 1)), middle=2, up=((3, 2, 1), (0, 0, 0)))
    assert transformers(build_unet(replace(TINY, depths=depths))) == {
        "down_blocks.1.attentions.0": 2,
        "down_blocks.1.attentions.1": 1,
        "mid_block.attentions.0": 2,
        "up_blocks.0.attentions.0": 3,
        "up_blocks.0.attentions.1": 2,
        "up_blocks.0.attentions.2": 1,
    }


def test_the_middle_is_as_deep_as_is_asked_for_where_the_last_level_has_no_transformers() -> None:
    depths = TransformerDepths.regular([1, 0], middle=3, num_res_blocks=1)
    assert transformers(build_unet(replace(TINY, depths=depths)))["mid_block.attentions.0"] == 3


def test_a_pruned_middle_is_one_residual_block() -> None:
    unet = build_unet(replace(TINY, depths=TransformerDepths.regular([1, 1], middle=0, num_res_blocks=1)))
    middle = unet.get_submodule("mid_block").state_dict()
    assert {name.split(".")[0] + "." + name.split(".")[1] for name in middle} == {"resnets.0"}


@torch.inference_mode()
def test_a_network_may_have_no_middle() -> None:
    unet = build_unet(replace(TINY, depths=TransformerDepths.regular([1, 1], middle=None, num_res_blocks=1)))
    assert not any(name.startswith("mid_block") for name in unet.state_dict())
    unet.to_empty(device="cpu")
    made = unet(torch.zeros(1, 4, 8, 8), torch.tensor([5.0]), torch.zeros(1, 77, 16), return_dict=False)[0]
    assert made.shape == (1, 4, 8, 8)


@pytest.mark.parametrize(
    ("depths", "complaint"),
    [
        (TransformerDepths(down=((1,), (0,)), middle=1, up=((0, 0), (1, 0))), "some of its residual blocks only"),
        (TransformerDepths(down=((1,), (0,)), middle=1, up=((0,), (1,))), "one residual block per level more"),
        (TransformerDepths.regular([1, 2], middle=1, num_res_blocks=1), "not as deep"),
    ],
)
def test_what_diffusers_cannot_build_is_refused(depths: TransformerDepths, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        build_unet(replace(TINY, depths=depths))


def test_the_vector_joins_the_timestep() -> None:
    weights = build_unet(replace(TINY, vector_dim=10)).state_dict()
    assert weights["class_embedding.linear_1.weight"].shape == (128, 10)
    assert "class_embedding.linear_1.weight" not in build_unet(TINY).state_dict()


def test_the_upsampler_is_ldms_and_its_weights_keep_their_names() -> None:
    unet = build_unet(TINY)
    assert isinstance(unet.get_submodule("up_blocks.0.upsamplers.0"), LdmUpsample)
    assert "up_blocks.0.upsamplers.0.conv.weight" in unet.state_dict()


def test_upsampling_convolves_before_it_cuts() -> None:
    conv = nn.Conv2d(3, 3, 3, padding=1)
    x = torch.linspace(-1, 1, 48).view(1, 3, 4, 4)
    doubled = conv(F.interpolate(x, size=(8, 8), mode="nearest"))
    upsample = LdmUpsample(conv)
    assert torch.equal(upsample(x), doubled)
    assert torch.equal(upsample(x, (8, 8)), doubled)
    assert torch.equal(upsample(x, (7, 8)), F.interpolate(doubled, size=(7, 8), mode="nearest"))
    assert not torch.allclose(upsample(x, (7, 8)), conv(F.interpolate(x, size=(7, 8), mode="nearest")))
