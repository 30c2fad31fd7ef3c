"""The text encoder of CLIP, from transformers."""

from dataclasses import asdict

import torch
from torch import Tensor, nn
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel

from modules.core.errors import InvalidRequest
from modules.families.architecture import ClipTextArchitecture
from modules.families.skeleton import skeleton
from modules.prompting.tokenizer import ClipTokenizer


def build_clip_text(architecture: ClipTextArchitecture) -> CLIPTextModel:
    """Return the network without weights (on the meta device)."""
    with skeleton():
        model = CLIPTextModel(CLIPTextConfig(**asdict(architecture)))
    # No file holds this buffer, so it is made here.
    model.embeddings.position_ids = nn.Buffer(
        torch.arange(architecture.max_position_embeddings)[None], persistent=False
    )
    return model


class ClipTextEncoder:
    """A loaded text encoder; see `conditioning.encode.TextEncoder`.

    Attributes:
        tokenizer: the tokenizer it was trained with.
    """

    def __init__(self, module: CLIPTextModel, tokenizer: ClipTokenizer) -> None:
        self.module = module
        self.tokenizer = tokenizer

    def encode(self, tokens: Tensor, clip_skip: int) -> Tensor:
        """Return token vectors [N, 77, D], normalised, on the encoder's device.

        Args:
            tokens: int64 [N, 77].
            clip_skip: 1 for the last layer, n for the n-th from the end.

        Raises:
            InvalidRequest: the encoder has fewer layers than that.
        """
        layers = self.module.config.num_hidden_layers
        if not 1 <= clip_skip <= layers:
            raise InvalidRequest(f"Clip skip {clip_skip}: the text encoder of this checkpoint has {layers} layers.")
        outputs = self.module(tokens.to(self.module.device), output_hidden_states=True)
        return self.module.final_layer_norm(outputs.hidden_states[-clip_skip])
