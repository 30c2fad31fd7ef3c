"""From a checkpoint on disk to a model in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from transformers.models.clip.modeling_clip import CLIPTextModel

from modules.conditioning.encode import PromptEncoder
from modules.core.cancellation import CancelToken
from modules.core.errors import ModelFileError
from modules.families.architecture import ClipTextArchitecture, ModelArchitecture
from modules.families.base import EXTRA_CHANNELS, LoadedModel
from modules.families.clip import ClipTextEncoder, TextPart, build_clip_text
from modules.families.unet import build_unet
from modules.families.vae import Vae, build_vae
from modules.hardware.dtype import Precision
from modules.hardware.float8 import let_layers_be_float8
from modules.hardware.layout import choose_layout
from modules.loading.diffusers_folder import open_diffusers_folder
from modules.loading.mapped import missing_file
from modules.loading.options import LoadOptions
from modules.loading.place import Placement, fill, keep_originals
from modules.loading.single_file import open_single_file
from modules.loading.source import ComponentSource, ModelSource
from modules.prompting.tokenizer import (
    OPEN_CLIP,
    TRANSFORMERS,
    ClipTokenizer,
    shipped_open_clip_tokenizer,
    shipped_tokenizer,
)
from modules.sampling.prediction import DiscreteNoise, Epsilon, Velocity, noise_levels

CHUNK_TOKENS = 77
AS_IT_IS = LoadOptions()


def load_checkpoint(
    path: Path,
    *,
    config: Path | None,
    device: torch.device,
    precision: Precision,
    options: LoadOptions = AS_IT_IS,
    on_progress: Callable[[float], None] = lambda _: None,
    token: CancelToken | None = None,
) -> LoadedModel:
    """Load a checkpoint.

    Args:
        path: a `.safetensors` or `.ckpt` file, or a folder of diffusers.
        config: yaml that describes the file; None lets its weights decide.
        device: where the model computes.
        precision: in which number formats.
        options: which of its weights, and how they are kept.
        on_progress: called with 0..1, from this thread.
        token: lets the person give up waiting.

    Raises:
        UnsafeFileError: the file is a pickle that refers to more than data; nothing of it was run.
        ModelFileError: the file is missing, damaged, of the wrong kind or not supported yet.
        Interrupted: the token was interrupted.
    """
    if not path.exists():
        raise missing_file(path)
    on_progress(0.0)
    if path.is_dir():
        source = open_diffusers_folder(path, precision)
    else:
        source = open_single_file(path, config, averaged=options.averaged)
    tokenizers = _tokenizers(source, file=path.name)
    networks = _build(source, file=path.name)
    if options.wants_float8(source.family.name, device):
        for network in (networks.unet, *networks.texts):
            let_layers_be_float8(network)
    placements = _placements(source, networks, device, precision)
    fill(placements, on_progress=on_progress, token=token)
    if options.keep_originals:
        for placement in placements:
            keep_originals(placement, token)
    model = _assemble(source, networks, tokenizers, device, precision)
    kind = source.architecture.prediction or source.family.find_prediction(model, source.architecture.unet)
    return replace(model, prediction=Velocity()) if kind == "v" else model


@dataclass(frozen=True, slots=True, kw_only=True)
class _Networks:
    unet: nn.Module
    vae: AutoencoderKL
    texts: tuple[CLIPTextModel, ...]


def _build(source: ModelSource, *, file: str) -> _Networks:
    """Make the networks without weights.

    Raises:
        ModelFileError: the sizes make no networks.
    """
    architecture = source.architecture
    parts = zip(architecture.texts, source.family.text_parts, strict=True)
    try:
        return _Networks(
            unet=build_unet(architecture.unet),
            vae=build_vae(architecture.vae),
            texts=tuple(build_clip_text(text, pooled=part.pooled) for text, part in parts),
        )
    except (ValueError, TypeError, ArithmeticError, StrictDataclassError) as error:
        raise ModelFileError(f"“{file}” describes networks that cannot be built: {error}.") from error


def _placements(
    source: ModelSource, networks: _Networks, device: torch.device, precision: Precision
) -> list[Placement]:
    def placement(module: nn.Module, component: ComponentSource, dtype: torch.dtype) -> Placement:
        shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
        return Placement(
            module=module,
            tensors=component.select(shapes),
            device=device,
            dtype=dtype,
            layout=choose_layout(device, dtype),
        )

    return [
        placement(networks.unet, source.unet, precision.network),
        placement(networks.vae, source.vae, precision.vae),
        *(placement(text, where, precision.text) for text, where in zip(networks.texts, source.texts, strict=True)),
    ]


def _assemble(
    source: ModelSource,
    networks: _Networks,
    tokenizers: Sequence[ClipTokenizer],
    device: torch.device,
    precision: Precision,
) -> LoadedModel:
    """Put filled networks together; as if the noise were predicted."""
    family, architecture = source.family, source.architecture
    parts = zip(networks.texts, family.text_parts, architecture.texts, tokenizers, strict=True)
    encoders = tuple(
        ClipTextEncoder(text, part, layer=sizes.layer, tokenizer=tokenizer) for text, part, sizes, tokenizer in parts
    )
    return LoadedModel(
        family=family,
        network=networks.unet,
        text_encoder=PromptEncoder(encoders=encoders, condition=family.condition),
        vae=Vae(networks.vae, layout=choose_layout(device, precision.vae)),
        prediction=Epsilon(),
        noise=_noise(architecture),
        zero_terminal_snr=architecture.zero_terminal_snr,
        latent_format=replace(family.latent_format, scale=architecture.scale_factor),
        extra_channels=EXTRA_CHANNELS[architecture.unet.in_channels],
        device=device,
        dtype=precision.network,
        layout=choose_layout(device, precision.network),
    )


def _tokenizers(source: ModelSource, *, file: str) -> list[ClipTokenizer]:
    """Return the tokenizer of each text encoder.

    Raises:
        ModelFileError: a vocabulary cannot be read, or has tokens that its text encoder does not know.
    """
    tokenizers = [_tokenizer(source.architecture.tokenizer, part) for part in source.family.text_parts]
    for tokenizer, text in zip(tokenizers, source.architecture.texts, strict=True):
        _check_tokenizer(tokenizer, text, source=file)
    return tokenizers


def _tokenizer(folder: Path | None, part: TextPart) -> ClipTokenizer:
    if folder is not None:
        return ClipTokenizer.from_folder(folder, OPEN_CLIP if part.kind == "openclip" else TRANSFORMERS)
    return shipped_open_clip_tokenizer() if part.kind == "openclip" else shipped_tokenizer()


def _check_tokenizer(tokenizer: ClipTokenizer, text: ClipTextArchitecture, *, source: str) -> None:
    """Refuse a text encoder that does not know the tokens it will be given: a GPU would not survive the first one."""
    if tokenizer.end_id >= text.vocab_size or text.max_position_embeddings < CHUNK_TOKENS:
        raise ModelFileError(
            f"The text encoder of “{source}” knows {text.vocab_size} tokens at {text.max_position_embeddings} places; "
            f"its tokenizer makes {tokenizer.end_id + 1} tokens for {CHUNK_TOKENS} places. It cannot be used."
        )


def _noise(architecture: ModelArchitecture) -> DiscreteNoise:
    """The training schedule of latent diffusion: betas linear in their square roots, computed in float64."""
    start, end = architecture.linear_start**0.5, architecture.linear_end**0.5
    betas = torch.linspace(start, end, architecture.timesteps, dtype=torch.float64) ** 2
    return noise_levels((1 - betas).cumprod(0).float(), zero_snr=architecture.zero_terminal_snr)
