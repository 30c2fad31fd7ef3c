"""Our names against those that diffusers' own converter finds for the same checkpoint."""

import pytest
from torch import Tensor, nn

from modules.core.paths import CONFIGS
from modules.families.unet import build_unet
from modules.families.vae import build_vae
from modules.loading.convert.names import renamed
from modules.loading.convert.unet import unet_modules
from modules.loading.convert.vae import old_vae_modules, vae_modules
from modules.loading.ldm_config import read_ldm_config
from tests.checkpoint_variants import convert_with_diffusers
from tests.tiny_checkpoint import UNET, VAE, tiny_sd1_tensors

ARCHITECTURE = read_ldm_config(CONFIGS / "sd1" / "v1-inference.yaml")


def check(
    module: nn.Module, modules: dict[str, str], prefix: str, tensors: dict[str, Tensor], oracle: dict[str, Tensor]
) -> None:
    ours = {name: tensors[prefix + renamed(name, modules)] for name in module.state_dict()}
    assert ours.keys() == oracle.keys()
    for name, tensor in ours.items():
        assert tensor.data_ptr() == oracle[name].data_ptr(), name


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    return tiny_sd1_tensors()


def test_unet(tensors: dict[str, Tensor]) -> None:
    unet, _ = convert_with_diffusers(tensors)
    check(build_unet(ARCHITECTURE.unet), unet_modules(ARCHITECTURE.unet), UNET, tensors, unet)


def test_vae(tensors: dict[str, Tensor]) -> None:
    _, vae = convert_with_diffusers(tensors)
    check(build_vae(ARCHITECTURE.vae), vae_modules(ARCHITECTURE.vae), VAE, tensors, vae)


def test_the_longest_known_module_counts() -> None:
    modules = {"a": "x", "a.b": "y", "a.b.c": "z"}
    assert renamed("a.b.c.weight", modules) == "z.weight"
    assert renamed("a.b.d.weight", modules) == "y.d.weight"
    assert renamed("ab.weight", modules) == "ab.weight"


def test_attention_of_the_first_diffusers_versions() -> None:
    name = "decoder.mid_block.attentions.0."
    assert renamed(f"{name}to_q.bias", old_vae_modules()) == f"{name}query.bias"
    assert renamed(f"{name}to_out.0.weight", old_vae_modules()) == f"{name}proj_attn.weight"
    assert renamed(f"{name}group_norm.weight", old_vae_modules()) == f"{name}group_norm.weight"
