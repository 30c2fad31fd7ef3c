"""A checkpoint in one file, in the layout of CompVis' latent-diffusion or of Stability AI's sgm."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from modules.families.architecture import UNetArchitecture
from modules.families.clip import TextPart
from modules.families.registry import find_family
from modules.families.unet import build_unet
from modules.loading.convert.names import renamed
from modules.loading.convert.openclip import openclip_text
from modules.loading.convert.unet import unet_modules
from modules.loading.convert.vae import vae_modules
from modules.loading.detect import EMA_UNET, UNET, VAE, read_traits
from modules.loading.infer import fit_to_weights
from modules.loading.ldm_config import read_ldm_config
from modules.loading.mapped import StoredTensor
from modules.loading.scaled_float8 import with_scales
from modules.loading.source import ComponentSource, ModelSource, check_texts
from modules.loading.statements import read_statements
from modules.loading.weights_file import open_weights

# Beside the weights: a buffer of old transformers versions, and remains of the whole CLIP model in merged checkpoints.
IGNORED_TEXT = ("embeddings.position_ids", "logit_scale", "text_projection", "vision_model.", "visual_projection")
IGNORED_VAE = ("loss.", "model_ema.")

_Tensors = dict[str, StoredTensor]


def open_single_file(path: Path, config: Path | None, *, averaged: bool = False) -> ModelSource:
    """Open the checkpoint at `path`.

    Args:
        path: the file.
        config: yaml that describes it; None lets the weights decide.
        averaged: take the running average of the network's weights if the file holds both.

    Raises:
        ModelFileError: it cannot be used; the message says why.
    """
    tensors = with_scales(open_weights(path), source=path.name)
    family = find_family(read_traits(tensors, source=path.name), source=path.name)
    architecture = read_ldm_config(config or family.default_config)
    statements = read_statements(path, tensors)
    unet = _unet(tensors, architecture.unet, averaged=averaged)
    vae = _below(tensors, VAE)
    texts = [_text(tensors, part) for part in family.text_parts]
    if config is None:
        architecture = fit_to_weights(
            replace(architecture, prediction=statements.prediction),
            unet=_shapes(unet),
            vae=_shapes(vae),
            texts=[_shapes(text) for text in texts],
            source=path.name,
        )
    if statements.zero_terminal_snr:
        architecture = replace(architecture, zero_terminal_snr=True)
    check_texts(architecture, family, source=path.name)
    return ModelSource(
        family=family,
        architecture=architecture,
        unet=ComponentSource(file=path.name, part="network", tensors=unet, modules=unet_modules(architecture.unet)),
        vae=ComponentSource(
            file=path.name, part="VAE", tensors=vae, modules=vae_modules(architecture.vae), ignored=IGNORED_VAE
        ),
        texts=tuple(
            ComponentSource(file=path.name, part="text encoder", tensors=text, modules={}, ignored=IGNORED_TEXT)
            for text in texts
        ),
    )


def _below(tensors: _Tensors, prefix: str) -> _Tensors:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _text(tensors: _Tensors, part: TextPart) -> _Tensors:
    """The weights of a text encoder by transformers' names."""
    found = next((found for prefix in part.prefixes if (found := _below(tensors, prefix))), _Tensors())
    if part.kind == "openclip":
        return openclip_text(found)
    return {name.removeprefix("text_model."): tensor for name, tensor in found.items()}


def _unet(tensors: _Tensors, architecture: UNetArchitecture, *, averaged: bool) -> _Tensors:
    """The weights of the network, or their running average if that is asked for or if there is nothing else."""
    plain = _below(tensors, UNET)
    if plain and not averaged:
        return plain
    return _averages(tensors, plain or _names_of(architecture)) or plain


def _names_of(architecture: UNetArchitecture) -> Iterable[str]:
    """LDM's names of a network's weights."""
    modules = unet_modules(architecture)
    names: Iterable[str] = build_unet(architecture).state_dict()
    return (renamed(name, modules) for name in names)


def _averages(tensors: _Tensors, names: Iterable[str]) -> _Tensors:
    """The running averages of weights by the weights' names. Their own names have lost their dots."""
    plain = {EMA_UNET + name.replace(".", ""): name for name in names}
    return {plain[name]: tensor for name, tensor in tensors.items() if name in plain}


def _shapes(tensors: Mapping[str, StoredTensor]) -> dict[str, tuple[int, ...]]:
    return {name: tensor.shape for name, tensor in tensors.items()}
