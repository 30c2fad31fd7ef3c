import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import nn

from modules.families.architecture import UNetArchitecture
from modules.families.unet import LdmUpsample, build_unet

TINY = UNetArchitecture(
    model_channels=32,
    channel_mult=(1, 2),
    num_res_blocks=1,
    attention=(True, False),
    heads=(4, 8),
    context_dim=16,
)


def test_the_network_has_no_weights_yet() -> None:
    assert all(parameter.is_meta for parameter in build_unet(TINY).parameters())


def test_attention_has_the_number_of_heads_that_is_asked_for() -> None:
    unet = build_unet(TINY)
    assert unet.get_submodule("down_blocks.0.attentions.0.transformer_blocks.0.attn1").heads == 4
    assert unet.get_submodule("mid_block.attentions.0.transformer_blocks.0.attn1").heads == 8


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
