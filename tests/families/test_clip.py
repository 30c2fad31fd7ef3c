from typing import Any, Literal, cast

import pytest
import torch
from torch import Tensor, nn

from modules.conditioning.embeddings import PlacedVectors
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


def test_people_may_insist_on_a_layer_where_the_family_has_one_but_lets_them(module: nn.Module) -> None:
    hidden = cast("Any", module)(chunk(320, 321), output_hidden_states=True).hidden_states
    lets, does_not = (
        encoder(module, part(kind="clip", optional_clip_skip=lets, final_norm=False), layer=2) for lets in (True, False)
    )
    for clip_skip in (1, 3):
        assert lets.encode(chunk(320, 321), clip_skip, optional=True).vectors.equal(hidden[-clip_skip])
        assert lets.encode(chunk(320, 321), clip_skip).vectors.equal(hidden[-2])
        assert does_not.encode(chunk(320, 321), clip_skip, optional=True).vectors.equal(hidden[-2])


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


# Vectors in place of tokens


def test_vectors_take_the_place_of_those_of_tokens(module: nn.Module) -> None:
    table = module.get_parameter("embeddings.token_embedding.weight")
    tokens = torch.cat((chunk(0, 321, 0, 0), chunk(0, 0), chunk(320)))
    placed = [[PlacedVectors(3, table[500:502])], [PlacedVectors(1, table[600:601]), PlacedVectors(2, table[7:8])], []]
    expected = torch.cat((chunk(0, 321, 500, 501), chunk(600, 7), chunk(320)))
    same = part(kind="clip", pooled=True)
    got, wanted = encoder(module, same).encode(tokens, 1, placed=placed), encoder(module, same).encode(expected, 1)
    assert got.vectors.equal(wanted.vectors)
    assert got.pooled is not None
    assert wanted.pooled is not None
    assert got.pooled.equal(wanted.pooled)


def test_vectors_are_brought_into_the_number_format_of_the_network(module: nn.Module) -> None:
    plain = encoder(module, part()).encode(chunk(5), 1).vectors
    placed = [[PlacedVectors(1, module.get_parameter("embeddings.token_embedding.weight")[5:6].double())]]
    assert encoder(module, part()).encode(chunk(0), 1, placed=placed).vectors.equal(plain)


def test_the_table_of_tokens_is_what_it_was_afterwards(module: nn.Module) -> None:
    before = encoder(module, part()).encode(chunk(0), 1).vectors
    encoder(module, part()).encode(chunk(0), 1, placed=[[PlacedVectors(1, torch.ones(1, 32))]])
    with pytest.raises(RuntimeError, match="size"):
        encoder(module, part()).encode(chunk(0), 1, placed=[[PlacedVectors(1, torch.ones(1, 31))]])
    assert encoder(module, part()).encode(chunk(0), 1).vectors.equal(before)


def test_what_embeddings_are_told_by(module: nn.Module) -> None:
    encoders = [encoder(module, part(kind=kind)) for kind in ("clip", "openclip")]
    assert [(one.width, one.embedding_key) for one in encoders] == [(32, "clip_l"), (32, "clip_g")]
