"""What shapes tell about the sizes of real models, whose networks are built without weights."""

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

SDXL = next(family for family in FAMILIES if family.name == "SDXL")


def shapes(module: nn.Module, modules: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
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
def weights(base: ModelArchitecture) -> dict[str, tuple[int, ...]]:
    return shapes(build_unet(base.unet), unet_modules(base.unet))


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


@pytest.mark.parametrize(
    "depths",
    [
        pytest.param(
            TransformerDepths(down=((0, 0), (2, 2), (4, 4)), middle=0, up=((4, 4, 10), (2, 1, 1), (0, 0, 0))),
            id="SSD-1B",
        ),
        pytest.param(
            TransformerDepths(down=((0, 0), (1, 1), (2, 2)), middle=0, up=((2, 2, 2), (1, 1, 1), (0, 0, 0))),
            id="Segmind Vega",
        ),
        pytest.param(TransformerDepths.regular([0, 2, 6], middle=6, num_res_blocks=1), id="KOALA-1B"),
    ],
)
def test_pruned_sdxl(base: ModelArchitecture, depths: TransformerDepths) -> None:
    pruned = replace(base.unet, depths=depths)
    assert found(replace(base, texts=()), replace(base, unet=pruned, texts=())).unet == pruned


def test_heads_of_the_same_width_grow_with_the_network(base: ModelArchitecture) -> None:
    wide = replace(base.unet, model_channels=640, heads=(10, 20, 40))
    assert found(replace(base, texts=()), replace(base, unet=wide, texts=())).unet.heads == (10, 20, 40)


@pytest.mark.parametrize("prefix", ["middle_block.", "middle_block.0.", "input_blocks.4.0.", "out.2.", ""])
def test_networks_without_what_all_have_are_refused(
    base: ModelArchitecture, weights: dict[str, tuple[int, ...]], prefix: str
) -> None:
    rest = {name: shape for name, shape in weights.items() if not name.startswith(prefix)}
    with pytest.raises(ModelFileError, match=r"“x” is (incomplete|damaged)"):
        fit_to_weights(base, unet=rest, vae={}, texts=[], source="x")


@pytest.mark.parametrize("prefix", ["middle_block.1.", "output_blocks.1.", "input_blocks.7.1."])
def test_a_transformer_that_is_missing_is_still_expected(
    base: ModelArchitecture, weights: dict[str, tuple[int, ...]], prefix: str
) -> None:
    rest = {name: shape for name, shape in weights.items() if not name.startswith(prefix)}
    told = fit_to_weights(
        replace(base, texts=()), unet=rest, vae=shapes(build_vae(base.vae), vae_modules(base.vae)), texts=[], source="x"
    )
    assert told.unet == base.unet
