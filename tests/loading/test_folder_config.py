import json
from pathlib import Path
from typing import Any

import pytest

from modules.core.errors import ModelFileError
from modules.families.architecture import TransformerDepths, UNetArchitecture
from modules.loading.folder_config import SchedulerConfig, UNetConfig, VaeConfig, read_config
from tests.family_folders import SD2_UNET, VAE, XL_UNET


def unet(folder: Path, config: dict[str, Any]) -> UNetArchitecture:
    (folder / "config.json").write_text(json.dumps(config))
    return read_config(folder / "config.json", UNetConfig).architecture()


def test_sd2(tmp_path: Path) -> None:
    found = unet(tmp_path, SD2_UNET)
    assert found.depths == TransformerDepths.regular([1, 1, 1, 0], middle=1, num_res_blocks=2)
    assert (found.heads, found.context_dim, found.vector_dim) == ((4, 8, 16, 16), 64, None)
    assert found.linear_projection


def test_sdxl(tmp_path: Path) -> None:
    found = unet(tmp_path, XL_UNET)
    assert found.depths == TransformerDepths.regular([0, 1, 2], middle=2, num_res_blocks=2)
    assert (found.channel_mult, found.context_dim, found.vector_dim) == ((1, 2, 4), 128, 1600)


def test_a_pruned_sdxl(tmp_path: Path) -> None:
    """As SSD-1B."""
    pruned = {
        "transformer_layers_per_block": [1, [2, 2], [4, 4]],
        "reverse_transformer_layers_per_block": [[4, 4, 10], [2, 1, 1], 1],
        "mid_block_type": "UNetMidBlock2D",
    }
    assert unet(tmp_path, XL_UNET | pruned).depths == TransformerDepths(
        down=((0, 0), (2, 2), (4, 4)), middle=0, up=((4, 4, 10), (2, 1, 1), (0, 0, 0))
    )


@pytest.mark.parametrize("written", [[0, 2, 6], [1, 2, 6]])
def test_half_as_many_blocks(tmp_path: Path, written: list[int]) -> None:
    """As KOALA-1B; what is written of a level without attention means nothing."""
    found = unet(tmp_path, XL_UNET | {"layers_per_block": 1, "transformer_layers_per_block": written})
    assert found.depths == TransformerDepths.regular([0, 2, 6], middle=6, num_res_blocks=1)


def test_no_middle(tmp_path: Path) -> None:
    """As KOALA-700M."""
    assert unet(tmp_path, XL_UNET | {"mid_block_type": None}).depths.middle is None


def test_each_level_may_have_its_own_number_of_blocks(tmp_path: Path) -> None:
    found = unet(tmp_path, XL_UNET | {"layers_per_block": [1, 2, 3]})
    assert [len(level) for level in found.depths.down] == [1, 2, 3]
    assert [len(level) for level in found.depths.up] == [4, 3, 2]


def test_a_depth_and_a_number_of_heads_for_all(tmp_path: Path) -> None:
    found = unet(tmp_path, SD2_UNET | {"transformer_layers_per_block": 3, "attention_head_dim": 8})
    assert found.depths == TransformerDepths.regular([3, 3, 3, 0], middle=3, num_res_blocks=2)
    assert found.heads == (8, 8, 8, 8)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"attention_head_dim": [4, 8]}, "differs in length"),
        ({"transformer_layers_per_block": [1, 2]}, "differs in length"),
        ({"layers_per_block": [2, 2]}, "differs in length"),
        ({"cross_attention_dim": [128, 64, 128]}, "cross_attention_dim is not the same everywhere"),
        ({"transformer_layers_per_block": [1, [1, 1], 2]}, "reverse_transformer_layers_per_block is missing"),
        ({"reverse_transformer_layers_per_block": [2, 1]}, "not as many transformer depths"),
        ({"reverse_transformer_layers_per_block": [[2, 2], 1, 1]}, "not as many transformer depths"),
        ({"transformer_layers_per_block": [1, 0, 2]}, "a level has attention, but transformers of depth 0"),
        (
            {"transformer_layers_per_block": [1, 1, 2], "reverse_transformer_layers_per_block": [2, [1, 0, 1], 1]},
            "a level has attention, but transformers of depth 0",
        ),
        (
            {
                "down_block_types": ["CrossAttnDownBlock2D"] * 2 + ["DownBlock2D"],
                "transformer_layers_per_block": [1, 1, 0],
            },
            "the middle has attention, but transformers of depth 0",
        ),
        ({"mid_block_type": "UNetMidBlock2DSimpleCrossAttn"}, "mid_block_type"),
        ({"addition_embed_type": "image"}, "addition_embed_type"),
        ({"addition_time_embed_dim": 128}, "addition_time_embed_dim"),
        ({"class_embed_type": "timestep"}, "class_embed_type"),
        ({"down_block_types": ["KDownBlock2D"] * 3}, "down_block_types"),
    ],
)
def test_what_cannot_be_built_is_refused(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ModelFileError, match=r"config\.json describes a model that cannot be loaded") as caught:
        unet(tmp_path, XL_UNET | change)
    assert complaint in str(caught.value)


def test_a_vae_with_other_latents_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(VAE | {"latents_mean": [0.0]}))
    with pytest.raises(ModelFileError, match="latents_mean"):
        read_config(tmp_path / "config.json", VaeConfig)


def test_the_scheduler_of_latent_diffusion_is_the_default(tmp_path: Path) -> None:
    (tmp_path / "scheduler_config.json").write_text("{}")
    found = read_config(tmp_path / "scheduler_config.json", SchedulerConfig)
    assert (found.beta_start, found.beta_end, found.num_train_timesteps) == (0.00085, 0.012, 1000)
    assert (found.prediction_type, found.rescale_betas_zero_snr) == ("epsilon", False)
