"""Builds a full-size Stable Diffusion 1.5 checkpoint of random weights in the three forms that people have.

usage: make_sd15.py DIR

Writes `sd15.safetensors` (LDM layout, float16, 2.1 GB), the same as `sd15.ckpt`, and as a diffusers folder `sd15/`.
The weights are drawn so that activations stay finite; the pictures are noise.
"""

import argparse
import json
import math
import sys
from pathlib import Path

import torch
from diffusers.models.modeling_utils import ModelMixin
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.models.clip.modeling_clip import CLIPTextModel

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from modules.core.paths import CONFIGS
from modules.families.clip import build_clip_text
from modules.families.unet import build_unet
from modules.families.vae import build_vae
from modules.loading.convert.names import renamed
from modules.loading.convert.unet import unet_modules
from modules.loading.convert.vae import vae_modules
from modules.loading.detect import TEXT, UNET, VAE
from modules.loading.ldm_config import read_ldm_config

SEED = 15

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "scheduler": ["diffusers", "PNDMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
SCHEDULER = {
    "_class_name": "PNDMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
}


def draw(name: str, shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Return random float16 weights that keep the scale of what passes through them."""
    noise = torch.randn(shape, generator=generator)
    if len(shape) > 1:
        return (noise / math.sqrt(math.prod(shape[1:]))).half()
    is_norm_scale = "norm" in name and name.endswith("weight")
    return (noise * 0.1 + 1 if is_norm_scale else noise * 0.05).half()


def write_json(path: Path, content: dict[str, object]) -> None:
    """Write a small configuration file and the folder it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1))


def save_config(module: nn.Module, folder: Path) -> None:
    """Write `config.json` as the module's library does."""
    if isinstance(module, CLIPTextModel):
        module.config.save_pretrained(folder)
    elif isinstance(module, ModelMixin):
        module.save_config(folder)


def main() -> None:
    """Write the three forms."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder

    architecture = read_ldm_config(CONFIGS / "sd1" / "v1-inference.yaml")
    unet, vae, text = build_unet(architecture.unet), build_vae(architecture.vae), build_clip_text(architecture.texts[0])
    parts = (
        ("unet/diffusion_pytorch_model.safetensors", "", unet, UNET, unet_modules(architecture.unet)),
        ("vae/diffusion_pytorch_model.safetensors", "", vae, VAE, vae_modules(architecture.vae)),
        ("text_encoder/model.safetensors", "text_model.", text, TEXT + "text_model.", {}),
    )
    write_json(folder / "sd15" / "model_index.json", INDEX)
    write_json(folder / "sd15" / "scheduler" / "scheduler_config.json", SCHEDULER)
    generator = torch.Generator().manual_seed(SEED)
    single: dict[str, Tensor] = {TEXT + "text_model.embeddings.position_ids": torch.arange(77)[None]}
    for file, folder_prefix, module, single_prefix, modules in parts:
        tensors = {name: draw(name, tensor.shape, generator) for name, tensor in module.state_dict().items()}
        path = folder / "sd15" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        save_config(module, path.parent)
        save_file({folder_prefix + name: tensor for name, tensor in tensors.items()}, path, metadata={"format": "pt"})
        for name, tensor in tensors.items():
            # LDM's VAE attends with 1×1 convolutions where diffusers has linear layers.
            is_kernel = module is vae and "attentions" in name and tensor.ndim == 2
            single[single_prefix + renamed(name, modules)] = tensor[:, :, None, None] if is_kernel else tensor
    save_file(single, folder / "sd15.safetensors", metadata={"format": "pt"})
    torch.save({"state_dict": single}, folder / "sd15.ckpt")


if __name__ == "__main__":
    main()
