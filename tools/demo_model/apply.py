"""Puts the example add-ons into a loaded demo model, to measure what they do."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from modules.families.base import LoadedModel
from modules.loading.convert.names import renamed
from modules.loading.convert.vae import vae_modules
from tools.demo_model.addons import PLACEHOLDERS, Hypernetwork, text_network
from tools.demo_model.networks import architecture


def apply_lora(model: LoadedModel, file: Path) -> None:
    """Add a LoRA in kohya's format to the weights, with weight 1.

    Raises:
        ValueError: it has weights for layers that the model does not have.
    """
    tensors = load_file(file)
    layers = {
        prefix + name.replace(".", "_"): layer
        for prefix, network in (("lora_unet_", model.network), ("lora_te_text_model_", text_network(model)))
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Linear)
    }
    names = {name.partition(".")[0] for name in tensors}
    if unknown := names - layers.keys():
        raise ValueError(f"{file.name} does not fit: the model has no {min(unknown)}.")
    for name in names:
        down, up = tensors[f"{name}.lora_down.weight"].float(), tensors[f"{name}.lora_up.weight"].float()
        scale = tensors[f"{name}.alpha"].item() / len(down)
        layers[name].weight.data += (up @ down * scale).to(layers[name].weight.dtype)


def apply_embedding(model: LoadedModel, file: Path, tokens: list[int]) -> None:
    """Give `tokens`, those of `PLACEHOLDERS`, the vectors of a textual-inversion embedding."""
    vectors = load_file(file)["emb_params"]
    if not len(vectors) == len(tokens) == len(PLACEHOLDERS):
        raise ValueError(f"{file.name} has {len(vectors)} vectors for {len(tokens)} tokens.")
    weight: Tensor = text_network(model).embeddings.token_embedding.weight.data
    weight[tokens] = vectors.to(weight.dtype)


def apply_hypernetwork(model: LoadedModel, file: Path) -> None:
    """Put a hypernetwork in A1111's format before the keys and values of the cross-attention layers."""
    content = torch.load(file, weights_only=True)
    width = architecture().texts[0].hidden_size
    hypernetwork = Hypernetwork(width)
    for addition, weights in zip((hypernetwork.keys, hypernetwork.values), content[width], strict=True):
        addition.load_state_dict(weights)
    hypernetwork.requires_grad_(False).to(model.dtype).attach(model.network)


def apply_vae(model: LoadedModel, file: Path) -> None:
    """Replace the autoencoder's weights by those of a file with latent-diffusion's names and no prefix."""
    tensors, names = load_file(file), vae_modules(architecture().vae)
    for name, weight in model.vae.module.state_dict().items():
        weight.copy_(tensors[renamed(name, names)].reshape(weight.shape))
