"""What shapes tell about the sizes of real models, whose networks are built without weights."""

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
from torch import nn

from modules.core.errors import ModelFileError
from modules.families.architecture import ModelArchitecture, TransformerDepths
from modules.families.base import ModelFamily
from modules.families.clip import build_clip_text
from modules.families.registry import FAMILIES
from modules.families.unet import build_unet
from modules.families.vae import build_vae
from modules.loading.convert.names import renamed
from modules.loading.convert.unet import unet_modules
from modules.loading.convert.vae import vae_modules
from modules.loading.infer import fit_to_weights
from modules.loading.ldm_config import read_ldm_config
from tests.loading.pruned_sdxl import PRUNED, Pruned, Shapes
from tests.loading.pruned_sdxl import SDXL as SDXL_ITSELF

SDXL = next(family for family in FAMILIES if family.name == "SDXL")


def shapes(module: nn.Module, modules: Mapping[str, str]) -> Shapes:
    """Return the shapes of a network's weights by the names in a checkpoint of one file."""
    return {renamed(name, modules): tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def found(base: ModelArchitecture, real: ModelArchitecture) -> ModelArchitecture:
    """Return what the shapes of the networks of `real` make of `base`."""
    return fit_to_weights(
        base,
        unet=shapes(build_unet(real.unet), unet_modules(real.unet)),
        vae=shapes(build_vae(real.vae), vae_modules(real.vae)),
        texts=[shapes(build_clip_text(text, pooled=True), {}) for text in real.texts],
        source="x",
    )


@pytest.fixture(scope="module")
def base() -> ModelArchitecture:
    return read_ldm_config(SDXL.default_config)


@pytest.fixture(scope="module")
def weights(base: ModelArchitecture) -> Shapes:
    return shapes(build_unet(base.unet), unet_modules(base.unet))


@pytest.fixture(scope="module")
def vae(base: ModelArchitecture) -> Shapes:
    return shapes(build_vae(base.vae), vae_modules(base.vae))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_shipped_configurations_are_what_weights_of_their_size_tell(family: ModelFamily) -> None:
    real = read_ldm_config(family.default_config)
    assert found(real, real) == real


def test_sizes_come_from_the_weights_and_not_from_the_configuration() -> None:
    base, real = (read_ldm_config(family.default_config) for family in (FAMILIES[0], FAMILIES[1]))
    told = found(base, real)
    assert told.texts[0].hidden_size == told.unet.context_dim == 1024
    assert told.unet.linear_projection
    assert told.unet.heads == (8, 8, 8, 8)  # which no shape tells


@pytest.mark.parametrize("pruned", [SDXL_ITSELF, *PRUNED], ids=lambda pruned: pruned.name)
def test_the_networks_of_the_tests_have_the_published_size(pruned: Pruned) -> None:
    assert str(sum(map(math.prod, pruned.shapes().values())) / 1e9).startswith(pruned.billions)


@pytest.mark.parametrize("pruned", [SDXL_ITSELF, *PRUNED], ids=lambda pruned: pruned.name)
def test_pruned_sdxl(base: ModelArchitecture, vae: Shapes, pruned: Pruned) -> None:
    found = fit_to_weights(replace(base, texts=()), unet=pruned.shapes(), vae=vae, texts=[], source="x").unet
    assert found.depths == TransformerDepths(down=pruned.down, middle=pruned.middle, up=pruned.up)
    assert (found.heads, found.context_dim, found.vector_dim) == ((5, 10, 20), 2048, 2816)
    built = shapes(build_unet(found), unet_modules(found))
    assert built == pruned.shapes()


def test_a_network_that_only_lacks_its_middle_is_incomplete(base: ModelArchitecture, vae: Shapes) -> None:
    rest = {name: shape for name, shape in SDXL_ITSELF.shapes().items() if not name.startswith("middle_block.")}
    with pytest.raises(ModelFileError, match=r"“x” is incomplete: 'middle_block"):
        fit_to_weights(replace(base, texts=()), unet=rest, vae=vae, texts=[], source="x")


def test_heads_of_the_same_width_grow_with_the_network(base: ModelArchitecture) -> None:
    wide = replace(base.unet, model_channels=640, heads=(10, 20, 40))
    assert found(replace(base, texts=()), replace(base, unet=wide, texts=())).unet.heads == (10, 20, 40)


@pytest.mark.parametrize("prefix", ["middle_block.0.", "input_blocks.4.0.", "out.2.", ""])
def test_networks_without_what_all_have_are_refused(base: ModelArchitecture, weights: Shapes, prefix: str) -> None:
    rest = {name: shape for name, shape in weights.items() if not name.startswith(prefix)}
    with pytest.raises(ModelFileError, match=r"“x” is (incomplete|damaged)"):
        fit_to_weights(base, unet=rest, vae={}, texts=[], source="x")


@pytest.mark.parametrize("prefix", ["middle_block.1.", "output_blocks.1.", "input_blocks.7.1."])
def test_a_transformer_that_is_missing_is_still_expected(
    base: ModelArchitecture, weights: Shapes, vae: Shapes, prefix: str
) -> None:
    rest = {name: shape for name, shape in weights.items() if not name.startswith(prefix)}
    told = fit_to_weights(replace(base, texts=()), unet=rest, vae=vae, texts=[], source="x")
    assert told.unet == base.unet
