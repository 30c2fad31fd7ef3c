"""An autoencoder in a file of its own, to be used in place of a checkpoint's."""

from collections.abc import Callable
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

from modules.core.cancellation import CancelToken
from modules.core.errors import ModelFileError
from modules.families.architecture import VaeArchitecture
from modules.families.latents import LatentFormat
from modules.families.vae import Vae, build_vae
from modules.hardware.layout import choose_layout
from modules.library.kinds import ModelKind
from modules.loading.convert.vae import old_vae_modules, vae_modules
from modules.loading.detect import VAE
from modules.loading.infer import vae_architecture
from modules.loading.other_kinds import other_kind
from modules.loading.place import Placement, fill
from modules.loading.source import ComponentSource
from modules.loading.weights_file import open_weights

IGNORED = ("loss", "model_ema")
"""Beginnings of the names of what remains of the training."""

_FIRST_OF_DECODER = "decoder.conv_in.weight"
_DIFFUSERS = "encoder.down_blocks."


def load_vae(
    path: Path,
    *,
    latents: LatentFormat,
    device: torch.device,
    dtype: torch.dtype,
    on_progress: Callable[[float], None] = lambda _: None,
    token: CancelToken | None = None,
) -> Vae:
    """Load a VAE.

    Its names are LDM's or diffusers'; in LDM's layout a whole checkpoint is good, too, of which only the VAE is read.

    Args:
        path: a `.safetensors`, `.ckpt`, `.pt` or `.bin` file.
        latents: of the model that it is for.
        device: where it computes.
        dtype: in which number format.
        on_progress: called with 0..1, from this thread.
        token: lets the person give up waiting.

    Raises:
        UnsafeFileError: the file is a pickle that refers to more than data; nothing of it was run.
        ModelFileError: the file is missing, damaged, no VAE, or one for other latents.
        Interrupted: the token was interrupted.
    """
    source, architecture = _open(path)
    _check_latents(path.name, architecture, latents)
    network = _build(path.name, architecture)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    layout = choose_layout(device, dtype)
    placement = Placement(module=network, tensors=source.select(shapes), device=device, dtype=dtype, layout=layout)
    fill([placement], on_progress=on_progress, token=token)
    return Vae(network, layout=layout)


def _open(path: Path) -> tuple[ComponentSource, VaeArchitecture]:
    every = open_weights(path)
    tensors = {name.removeprefix(VAE): tensor for name, tensor in every.items() if name.startswith(VAE)} or every
    if _FIRST_OF_DECODER not in tensors:
        raise other_kind(path.name, every, expected=ModelKind.VAE, fault="has no decoder")
    by_diffusers = any(name.startswith(_DIFFUSERS) for name in tensors)
    try:
        architecture = vae_architecture({_ldm_name(name): tensor.shape for name, tensor in tensors.items()})
    except (LookupError, ArithmeticError, ValueError) as error:
        raise ModelFileError(
            f"The VAE “{path.name}” is incomplete or damaged: its weights do not tell its sizes. Download it again."
        ) from error
    if by_diffusers:
        modules = old_vae_modules() if any(name.endswith(".query.weight") for name in tensors) else {}
    else:
        modules = vae_modules(architecture)
    source = ComponentSource(file=path.name, part="VAE", tensors=tensors, modules=modules, ignored=IGNORED)
    return source, architecture


def _ldm_name(name: str) -> str:
    """Return LDM's name of a weight that tells a size, given diffusers' one."""
    return name.replace(".down_blocks.", ".down.").replace(".resnets.", ".block.")


def _check_latents(file: str, architecture: VaeArchitecture, latents: LatentFormat) -> None:
    downscale = 2 ** (len(architecture.channel_mult) - 1)
    if (architecture.latent_channels, downscale) != (latents.channels, latents.downscale):
        raise ModelFileError(
            f"The VAE “{file}” is for another kind of model: its latents have {architecture.latent_channels} channels "
            f"at a {downscale}th of the size, those of this checkpoint {latents.channels} at a {latents.downscale}th. "
            "Choose another VAE."
        )


def _build(file: str, architecture: VaeArchitecture) -> AutoencoderKL:
    try:
        return build_vae(architecture)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise ModelFileError(f"“{file}” describes a VAE that cannot be built: {error}.") from error
