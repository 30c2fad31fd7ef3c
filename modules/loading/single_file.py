"""A checkpoint in one file, in the layout of CompVis' latent-diffusion."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from modules.families.architecture import UNetArchitecture
from modules.families.registry import find_family
from modules.families.unet import build_unet
from modules.loading.convert.names import renamed
from modules.loading.convert.unet import unet_modules
from modules.loading.convert.vae import vae_modules
from modules.loading.detect import EMA_UNET, TEXT, UNET, VAE, read_traits
from modules.loading.infer import fit_to_weights
from modules.loading.ldm_config import read_ldm_config
from modules.loading.mapped import StoredTensor
from modules.loading.source import ComponentSource, ModelSource
from modules.loading.weights_file import open_weights

# Beside the weights: a buffer of old transformers versions, and remains of the whole CLIP model in merged checkpoints.
IGNORED_TEXT = ("embeddings.position_ids", "logit_scale", "text_projection", "vision_model.", "visual_projection")
IGNORED_VAE = ("loss.", "model_ema.")

_Tensors = dict[str, StoredTensor]


def open_single_file(path: Path, config: Path | None) -> ModelSource:
    """Open the checkpoint at `path`.

    Args:
        path: the file.
        config: LDM yaml that describes it; None lets the weights decide.

    Raises:
        ModelFileError: it cannot be used; the message says why.
    """
    tensors = open_weights(path)
    family = find_family(read_traits(tensors, source=path.name), source=path.name)
    architecture = read_ldm_config(config or family.default_config)
    unet = _below(tensors, UNET) or _averaged_unet(tensors, architecture.unet)
    vae = _below(tensors, VAE)
    text = {name.removeprefix("text_model."): tensor for name, tensor in _below(tensors, TEXT).items()}
    if config is None:
        architecture = fit_to_weights(
            architecture, unet=_shapes(unet), vae=_shapes(vae), text=_shapes(text), source=path.name
        )
    return ModelSource(
        family=family,
        architecture=architecture,
        unet=ComponentSource(file=path.name, part="network", tensors=unet, modules=unet_modules(architecture.unet)),
        vae=ComponentSource(
            file=path.name, part="VAE", tensors=vae, modules=vae_modules(architecture.vae), ignored=IGNORED_VAE
        ),
        text=ComponentSource(file=path.name, part="text encoder", tensors=text, modules={}, ignored=IGNORED_TEXT),
    )


def _below(tensors: _Tensors, prefix: str) -> _Tensors:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _averaged_unet(tensors: _Tensors, architecture: UNetArchitecture) -> _Tensors:
    """The weights of a training checkpoint that kept only their running average, whose names have lost their dots."""
    modules = unet_modules(architecture)
    names: Iterable[str] = build_unet(architecture).state_dict()
    plain = {EMA_UNET + name.replace(".", ""): name for name in (renamed(name, modules) for name in names)}
    return {plain[name]: tensor for name, tensor in tensors.items() if name in plain}


def _shapes(tensors: Mapping[str, StoredTensor]) -> dict[str, tuple[int, ...]]:
    return {name: tensor.shape for name, tensor in tensors.items()}
