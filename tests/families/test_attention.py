import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor, nn

from modules.families.architecture import TransformerDepths, UNetArchitecture
from modules.families.attention import attention_in_float32
from modules.families.unet import build_unet

SIZES = UNetArchitecture(
    model_channels=32,
    channel_mult=(1, 2),
    depths=TransformerDepths.regular([1, 0], middle=1, num_res_blocks=1),
    heads=(4, 8),
    context_dim=16,
)


@pytest.fixture
def unet() -> nn.Module:
    network = build_unet(SIZES).to_empty(device="cpu").requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.normal_(std=0.1, generator=generator)
    return network


def run(unet: nn.Module, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    x, told = torch.randn(1, 4, 8, 8, generator=generator), torch.randn(1, 77, 16, generator=generator)
    return unet.to(dtype)(x.to(dtype), torch.tensor([5.0]), told.to(dtype), return_dict=False)[0]


def test_in_float32_it_changes_nothing(unet: nn.Module) -> None:
    plain = run(unet)
    with attention_in_float32(unet):
        torch.testing.assert_close(run(unet), plain)


def test_a_network_of_half_precision_attends_in_float32(unet: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[torch.dtype]()
    attend = torch.nn.functional.scaled_dot_product_attention

    def remember(query: Tensor, key: Tensor, value: Tensor, **options: object) -> Tensor:
        seen.append(query.dtype)
        return attend(query, key, value, **options)  # pyright: ignore[reportArgumentType]  # passed on

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", remember)
    with attention_in_float32(unet):
        assert run(unet, torch.bfloat16).dtype == torch.bfloat16
    assert set(seen) == {torch.float32}


def test_afterwards_the_kernel_is_the_one_before(unet: nn.Module) -> None:
    attention = unet.get_submodule("mid_block.attentions.0.transformer_blocks.0.attn1")
    assert isinstance(attention, Attention)
    before = attention.processor
    assert isinstance(before, AttnProcessor2_0)
    with pytest.raises(KeyError), attention_in_float32(unet):
        raise KeyError
    assert attention.processor is before
