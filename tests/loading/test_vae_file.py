from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]  # os.PathLike without argument
from torch import Tensor

from modules.core.cancellation import CancelToken
from modules.core.errors import Interrupted, ModelFileError, UnsafeFileError
from modules.families.latents import KL_F8
from modules.families.vae import Vae
from modules.loading.vae_file import load_vae
from tests.checkpoint_variants import convert_with_diffusers, truncate, write_malicious_ckpt
from tests.families.by_hand import load
from tests.tiny_checkpoint import VAE, tiny_sd1_tensors, write_tiny_sd1

Tensors = dict[str, Tensor]

CPU = torch.device("cpu")
LATENT = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(0))
PICTURE = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    return tiny_sd1_tensors()


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Vae:
    """The VAE of the checkpoint that the files are made from."""
    return load(write_tiny_sd1(tmp_path_factory.mktemp("tiny"))).vae


def bare(tensors: Tensors) -> Tensors:
    return {name.removeprefix(VAE): tensor for name, tensor in tensors.items() if name.startswith(VAE)}


def read(path: Path, **options: Any) -> Vae:
    given: dict[str, Any] = {"latents": KL_F8, "device": CPU, "dtype": torch.float32} | options
    return load_vae(path, **given)


def write(path: Path, content: Tensors) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in content.items()}, path)
    return path


def with_old_attention(content: Tensors) -> Tensors:
    """By the names of diffusers before 0.17."""
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}

    def name_of(name: str) -> str:
        for new, before in old.items():
            name = name.replace(f".attentions.0.{new}.", f".attentions.0.{before}.")
        return name

    return {name_of(name): tensor for name, tensor in content.items()}


def _training_remains(tensors: Tensors) -> Tensors:
    rest = {"loss.discriminator.main.0.weight": torch.zeros(3), "loss.logvar": torch.tensor(0.0)}
    rest |= {"model_ema.decay": torch.tensor(1.0), "model_ema.decoderconv_inweight": torch.zeros(3)}
    return bare(tensors) | rest


def save(path: Path, content: object, *, legacy: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


FORMS: dict[str, Callable[[Path, Tensors], Path]] = {
    "bare": lambda folder, tensors: write(folder / "x.safetensors", bare(tensors)),
    "with prefix": lambda folder, tensors: write(
        folder / "x.safetensors", {name: tensor for name, tensor in tensors.items() if name.startswith(VAE)}
    ),
    "whole checkpoint": lambda folder, tensors: write(folder / "x.safetensors", tensors),
    "with what is left of the training": lambda folder, tensors: write(
        folder / "x.safetensors", _training_remains(tensors)
    ),
    "diffusers": lambda folder, tensors: write(
        folder / "diffusion_pytorch_model.safetensors", convert_with_diffusers(tensors)[1]
    ),
    "old diffusers": lambda folder, tensors: write(
        folder / "x.safetensors", with_old_attention(convert_with_diffusers(tensors)[1])
    ),
    "pt": lambda folder, tensors: save(folder / "x.vae.pt", {"state_dict": bare(tensors), "global_step": 5}),
    "old ckpt": lambda folder, tensors: save(folder / "x.ckpt", bare(tensors), legacy=True),
}


@torch.inference_mode()
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_vae(tmp_path: Path, tensors: Tensors, own: Vae, form: str) -> None:
    found = read(FORMS[form](tmp_path, tensors))
    assert found.decode(LATENT).equal(own.decode(LATENT))
    assert found.encode(PICTURE).equal(own.encode(PICTURE))


def test_it_computes_in_the_number_format_that_is_asked_for(tmp_path: Path, tensors: Tensors) -> None:
    path, shares = write(tmp_path / "x.safetensors", bare(tensors)), list[float]()
    found = read(path, dtype=torch.bfloat16, on_progress=shares.append)
    assert {parameter.dtype for parameter in found.module.parameters()} == {torch.bfloat16}
    assert not any(parameter.requires_grad for parameter in found.module.parameters())
    assert shares[-1] == 1.0


def test_loading_can_be_interrupted(tmp_path: Path, tensors: Tensors) -> None:
    token = CancelToken()
    token.interrupt()
    with pytest.raises(Interrupted):
        read(write(tmp_path / "x.safetensors", bare(tensors)), token=token)


# What is refused


def test_other_models_are_said_by_name(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.safetensors", {"lora_unet_mid_block_attentions_0_proj_in.lora_down.weight": torch.zeros(4, 8)}
    )
    with pytest.raises(ModelFileError, match=r"“x\.safetensors” is a LoRA, not a VAE\. Move it"):
        read(path)
    path = write(tmp_path / "y.safetensors", {"anything": torch.zeros(3, 3)})
    with pytest.raises(ModelFileError, match=r"“y\.safetensors” cannot be used as a VAE: it has no decoder"):
        read(path)


def test_a_checkpoint_without_vae(tmp_path: Path, tensors: Tensors) -> None:
    path = write(tmp_path / "x.safetensors", {name: t for name, t in tensors.items() if not name.startswith(VAE)})
    with pytest.raises(ModelFileError, match=r"“x\.safetensors” is a checkpoint, not a VAE"):
        read(path)


def test_half_a_vae(tmp_path: Path, tensors: Tensors) -> None:
    decoder = {name: tensor for name, tensor in bare(tensors).items() if not name.startswith("encoder")}
    with pytest.raises(ModelFileError, match="is incomplete or damaged"):
        read(write(tmp_path / "x.safetensors", decoder))
    encoder = {name: tensor for name, tensor in bare(tensors).items() if not name.startswith("decoder")}
    with pytest.raises(ModelFileError, match="it has no decoder"):
        read(write(tmp_path / "x.safetensors", encoder))
    without = {name: tensor for name, tensor in bare(tensors).items() if name != "decoder.conv_out.bias"}
    with pytest.raises(ModelFileError, match=r"The VAE of “x\.safetensors” lacks weights: decoder\.conv_out\.bias"):
        read(write(tmp_path / "x.safetensors", without))


@pytest.mark.parametrize(
    ("latents", "said"),
    [
        (replace(KL_F8, channels=16), "4 channels at a 8th of the size, those of this checkpoint 16 at a 8th"),
        (replace(KL_F8, downscale=4), "4 channels at a 8th of the size, those of this checkpoint 4 at a 4th"),
    ],
)
def test_a_vae_for_other_latents(tmp_path: Path, tensors: Tensors, latents: Any, said: str) -> None:
    with pytest.raises(ModelFileError, match=said):
        read(write(tmp_path / "x.safetensors", bare(tensors)), latents=latents)


def test_sizes_that_make_no_network(tmp_path: Path, tensors: Tensors) -> None:
    odd = bare(tensors) | {"encoder.conv_in.weight": torch.zeros(31, 3, 3, 3)}
    with pytest.raises(ModelFileError, match="cannot be built"):
        read(write(tmp_path / "x.safetensors", odd))
    empty = bare(tensors) | {"encoder.conv_in.weight": torch.zeros(0, 3, 3, 3)}
    with pytest.raises(ModelFileError, match="is incomplete or damaged"):
        read(write(tmp_path / "x.safetensors", empty))
    flat = bare(tensors) | {"decoder.conv_in.weight": torch.zeros(3)}
    with pytest.raises(ModelFileError, match="is incomplete or damaged"):
        read(write(tmp_path / "x.safetensors", flat))


def test_harmful_and_damaged_files(tmp_path: Path, tensors: Tensors) -> None:
    with pytest.raises(UnsafeFileError):
        read(write_malicious_ckpt(tmp_path / "harm.pt", tmp_path / "marker"))
    assert not (tmp_path / "marker").exists()
    with pytest.raises(ModelFileError, match="truncated"):
        read(truncate(write(tmp_path / "half.safetensors", bare(tensors)), keep=0.5))
    with pytest.raises(ModelFileError, match="no longer in"):
        read(tmp_path / "gone.safetensors")
