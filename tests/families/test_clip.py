from typing import Any, Literal, cast

import pytest
import torch
from torch import Tensor, nn

from modules.families.architecture import ClipTextArchitecture
from modules.families.clip import ClipTextEncoder, TextPart, build_clip_text, repadded
from modules.prompting.tokenizer import shipped_tokenizer

START, END, PAD = 49406, 49407, 0
SIZES = ClipTextArchitecture(
    vocab_size=49408,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=4,
    num_attention_heads=2,
    max_position_embeddings=77,
    projection_dim=24,
)


def part(kind: Literal["clip", "openclip"] = "openclip", **values: bool) -> TextPart:
    return TextPart(kind=kind, prefixes=(), folder="", **cast("Any", values))


@pytest.fixture(scope="module")
def module() -> nn.Module:
    network = build_clip_text(SIZES, pooled=True).to_empty(device="cpu").requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.normal_(std=0.2, generator=generator)
    cast("Any", network).embeddings.position_ids = torch.arange(77)[None]
    return network.eval()


def encoder(module: nn.Module, part: TextPart, layer: int = 1) -> ClipTextEncoder:
    return ClipTextEncoder(cast("Any", module), part, layer=layer, tokenizer=shipped_tokenizer())


def chunk(*tokens: int) -> Tensor:
    return torch.tensor([[START, *tokens, *[END] * (76 - len(tokens))]])


def test_padding_begins_after_the_first_end_token() -> None:
    tokens = torch.tensor([[START, 5, END, END, END], [START, 5, 6, 7, END], [START, END, 8, END, 9]])
    expected = [[START, 5, END, PAD, PAD], [START, 5, 6, 7, END], [START, END, PAD, PAD, PAD]]
    assert repadded(tokens, end_id=END, pad_id=PAD).equal(torch.tensor(expected))
    assert repadded(tokens[:2], end_id=END, pad_id=END).equal(tokens[:2])


@pytest.mark.parametrize(("kind", "pad"), [("clip", END), ("openclip", PAD)])
def test_each_kind_fills_up_with_its_own_token(module: nn.Module, kind: Literal["clip", "openclip"], pad: int) -> None:
    given = list[Tensor]()
    hook = module.register_forward_pre_hook(lambda _, arguments: given.append(arguments[0]))
    encoder(module, part(kind=kind)).encode(chunk(320, 321), 1)
    hook.remove()
    assert given[0].equal(torch.tensor([[START, 320, 321, END, *[pad] * 73]]))


def test_the_family_chooses_the_layer(module: nn.Module) -> None:
    hidden = cast("Any", module)(chunk(320, 321), output_hidden_states=True).hidden_states
    said = encoder(module, part(kind="clip", final_norm=False), layer=2)
    assert said.encode(chunk(320, 321), 1).vectors.equal(hidden[-2])
    assert said.encode(chunk(320, 321), 4).vectors.equal(hidden[-2])


def test_people_may_choose_the_layer_where_the_family_lets_them(module: nn.Module) -> None:
    hidden = cast("Any", module)(chunk(320, 321), output_hidden_states=True).hidden_states
    said = encoder(module, part(kind="clip", clip_skip=True, final_norm=False), layer=1)
    assert said.encode(chunk(320, 321), 3).vectors.equal(hidden[-3])


def test_the_final_norm_follows_whatever_the_layer(module: nn.Module) -> None:
    plain, normed = (
        encoder(module, part(final_norm=norm), layer=2).encode(chunk(320), 1).vectors for norm in (False, True)
    )
    assert normed.equal(cast("Any", module).final_layer_norm(plain))
    assert not normed.allclose(plain)


def test_pooled_is_the_projection_of_the_last_layer_at_the_end_token(module: nn.Module) -> None:
    said = encoder(module, part(kind="clip", pooled=True, final_norm=False), layer=3).encode(chunk(320, 321), 1)
    last = cast("Any", module)(chunk(320, 321)).last_hidden_state[:, 3]
    assert said.pooled is not None
    torch.testing.assert_close(said.pooled, last @ module.get_parameter("text_projection.weight").T)


def test_nothing_is_pooled_where_the_family_does_not_ask(module: nn.Module) -> None:
    assert encoder(module, part()).encode(chunk(320), 1).pooled is None


def test_only_a_pooled_network_has_a_projection() -> None:
    assert "text_projection.weight" not in build_clip_text(SIZES).state_dict()
    assert build_clip_text(SIZES, pooled=True).state_dict()["text_projection.weight"].shape == (24, 32)
