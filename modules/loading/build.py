"""From a checkpoint on disk to a model in memory."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from huggingface_hub.errors import StrictDataclassError

from modules.core.cancellation import CancelToken
from modules.core.errors import ModelFileError
from modules.families.architecture import ClipTextArchitecture, ModelArchitecture
from modules.families.base import LoadedModel
from modules.families.clip import ClipTextEncoder, build_clip_text
from modules.families.unet import build_unet
from modules.families.vae import Vae, build_vae
from modules.hardware.dtype import Precision
from modules.hardware.layout import choose_layout
from modules.loading.diffusers_folder import open_diffusers_folder
from modules.loading.mapped import missing_file
from modules.loading.place import Placement, fill
from modules.loading.single_file import open_single_file
from modules.loading.source import ComponentSource
from modules.prompting.tokenizer import ClipTokenizer, shipped_tokenizer
from modules.sampling.prediction import DiscreteNoise, Epsilon, Velocity

CHUNK_TOKENS = 77


def load_checkpoint(
    path: Path,
    *,
    config: Path | None,
    device: torch.device,
    precision: Precision,
    on_progress: Callable[[float], None] = lambda _: None,
    token: CancelToken | None = None,
) -> LoadedModel:
    """Load a checkpoint.

    Args:
        path: a `.safetensors` or `.ckpt` file, or a folder of diffusers.
        config: LDM yaml that describes the file; None lets its weights decide.
        device: where the model computes.
        precision: in which number formats.
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
    source = open_diffusers_folder(path) if path.is_dir() else open_single_file(path, config)
    architecture = source.architecture
    tokenizer = ClipTokenizer.from_folder(architecture.tokenizer) if architecture.tokenizer else shipped_tokenizer()
    _check_tokenizer(tokenizer, architecture.text, source=path.name)
    try:
        unet, vae, text = build_unet(architecture.unet), build_vae(architecture.vae), build_clip_text(architecture.text)
    except (ValueError, TypeError, ArithmeticError, StrictDataclassError) as error:
        raise ModelFileError(f"“{path.name}” describes networks that cannot be built: {error}.") from error

    def placement(module: torch.nn.Module, component: ComponentSource, dtype: torch.dtype) -> Placement:
        shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
        return Placement(
            module=module,
            tensors=component.select(shapes),
            device=device,
            dtype=dtype,
            layout=choose_layout(device, dtype),
        )

    placements = [
        placement(unet, source.unet, precision.network),
        placement(vae, source.vae, precision.vae),
        placement(text, source.text, precision.text),
    ]
    fill(placements, on_progress=on_progress, token=token)
    return LoadedModel(
        family=source.family,
        network=unet,
        text_encoder=ClipTextEncoder(text, tokenizer),
        vae=Vae(vae, layout=choose_layout(device, precision.vae)),
        prediction=Velocity() if architecture.prediction == "v" else Epsilon(),
        noise=_noise(architecture),
        latent_format=replace(source.family.latent_format, scale=architecture.scale_factor),
        device=device,
        dtype=precision.network,
        layout=choose_layout(device, precision.network),
    )


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
    return DiscreteNoise((1 - betas).cumprod(0).float())
