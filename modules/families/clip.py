"""The text encoders of CLIP and OpenCLIP, which are one network, from transformers."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel

from modules.conditioning.embeddings import PlacedVectors
from modules.conditioning.encode import EncodedChunks
from modules.core.errors import InvalidRequest
from modules.families.architecture import ClipTextArchitecture
from modules.families.skeleton import skeleton
from modules.prompting.tokenizer import ClipTokenizer

PROJECTION = "text_projection"

OPENCLIP_PAD_ID = 0

_EMBEDDING_KEYS = {"clip": "clip_l", "openclip": "clip_g"}
"""As in embeddings for SDXL, the only family that has both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPart:
    """One of a family's text encoders: where it lies, and what is taken from it.

    Attributes:
        kind: whose it is: OpenAI's CLIP or OpenCLIP. They differ in the names of their weights in checkpoints of one
            file, in how they read texts, and in the token that fills a chunk up.
        prefixes: before its names in a checkpoint of one file; the first one that occurs there counts.
        folder: of its weights in a folder of diffusers.
        folder_layer: the layer whose output is used when it comes in such a folder, counted from the end: diffusers
            leaves out the layers after the one that a family uses last.
        clip_skip: people may choose another layer.
        optional_clip_skip: likewise, but only if they say beside the number that it holds for this family, too.
        final_norm: the last layer norm follows whatever the layer.
        pooled: it also says what a chunk as a whole means.
    """

    kind: Literal["clip", "openclip"]
    prefixes: tuple[str, ...]
    folder: str
    folder_layer: int = 1
    clip_skip: bool = False
    optional_clip_skip: bool = False
    final_norm: bool = True
    pooled: bool = False


def build_clip_text(architecture: ClipTextArchitecture, *, pooled: bool = False) -> CLIPTextModel:
    """Return the network without weights (on the meta device).

    Args:
        architecture: its sizes; with `projection_dim` if it is `pooled`.
        pooled: it also says what a chunk as a whole means, by a layer that transformers has in another class.
    """
    config = CLIPTextConfig(
        vocab_size=architecture.vocab_size,
        hidden_size=architecture.hidden_size,
        intermediate_size=architecture.intermediate_size,
        num_hidden_layers=architecture.num_hidden_layers,
        num_attention_heads=architecture.num_attention_heads,
        max_position_embeddings=architecture.max_position_embeddings,
        hidden_act=architecture.hidden_act,
        layer_norm_eps=architecture.layer_norm_eps,
    )
    with skeleton():
        model = CLIPTextModel(config)
        if pooled:
            width = architecture.hidden_size
            model.register_module(PROJECTION, nn.Linear(width, architecture.projection_dim or 0, bias=False))
    # No file holds this buffer, so it is made here.
    model.embeddings.position_ids = nn.Buffer(
        torch.arange(architecture.max_position_embeddings)[None], persistent=False
    )
    return model


class ClipTextEncoder:
    """A loaded text encoder; see `conditioning.encode.TextEncoder`.

    Attributes:
        module: the network.
        tokenizer: the tokenizer it was trained with.
    """

    def __init__(self, module: CLIPTextModel, part: TextPart, *, layer: int, tokenizer: ClipTokenizer) -> None:
        """Wrap a network.

        Args:
            module: made by `build_clip_text`, pooled if its part is.
            part: which of its family's text encoders it is.
            layer: the layer whose output is used unless people may choose it, 1 for the last one.
            tokenizer: makes its tokens.
        """
        self.module = module
        self.tokenizer = tokenizer
        self._part = part
        self._layer = layer
        self._pad_id = OPENCLIP_PAD_ID if part.kind == "openclip" else tokenizer.pad_id

    @property
    def width(self) -> int:
        """See `TextEncoder.width`."""
        return self.module.embeddings.token_embedding.embedding_dim

    @property
    def embedding_key(self) -> str:
        """See `TextEncoder.embedding_key`."""
        return _EMBEDDING_KEYS[self._part.kind]

    def encode(
        self,
        tokens: Tensor,
        clip_skip: int,
        *,
        optional: bool = False,
        placed: Sequence[Sequence[PlacedVectors]] = (),
    ) -> EncodedChunks:
        """See `TextEncoder.encode`.

        Raises:
            InvalidRequest: the encoder has fewer layers than `clip_skip`.
        """
        chosen = self._part.clip_skip or (optional and self._part.optional_clip_skip)
        layer = clip_skip if chosen else self._layer
        layers = self.module.config.num_hidden_layers
        if not 1 <= layer <= layers:
            raise InvalidRequest(f"Clip skip {layer}: the text encoder of this checkpoint has {layers} layers.")
        padded = repadded(tokens, end_id=self.tokenizer.end_id, pad_id=self._pad_id)
        with _in_place_of_tokens(self.module.embeddings.token_embedding, placed):
            outputs = self.module(padded.to(self.module.device), output_hidden_states=True)
        vectors = outputs.hidden_states[-layer]
        return EncodedChunks(
            vectors=self.module.final_layer_norm(vectors) if self._part.final_norm else vectors,
            pooled=self.module.get_submodule(PROJECTION)(outputs.pooler_output) if self._part.pooled else None,
        )


def repadded(tokens: Tensor, *, end_id: int, pad_id: int) -> Tensor:
    """Return chunks [N,77] with `pad_id` in every place after the first end token."""
    ended = (tokens == end_id).cumsum(1) - (tokens == end_id).long() > 0
    return tokens.masked_fill(ended, pad_id)


@contextmanager
def _in_place_of_tokens(table: nn.Module, placed: Sequence[Sequence[PlacedVectors]]) -> Generator[None]:
    """In this context vectors stand in place of some of those that `table` returns for chunks."""

    def put(_: nn.Module, __: Any, looked_up: Tensor) -> None:
        for chunk, replaced in zip(looked_up, placed, strict=True):
            for place, vectors in replaced:
                chunk[place : place + len(vectors)].copy_(vectors)

    if not any(placed):
        yield
        return
    hook = table.register_forward_hook(put)
    try:
        yield
    finally:
        hook.remove()
