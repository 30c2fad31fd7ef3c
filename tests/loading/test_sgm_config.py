"""The yaml of SD 2.x, which names open_clip, and of SDXL, which has sgm's layout."""

import json
from pathlib import Path

import pytest

from modules.core.errors import ModelFileError
from modules.core.paths import CONFIGS
from modules.families.architecture import ClipTextArchitecture, TransformerDepths, UNetArchitecture, VaeArchitecture
from modules.loading.ldm_config import read_ldm_config
from tests.recorded_checkpoint import SD2_V_YAML, XL_VECTOR, XL_YAML

OPEN_CLIP = {"embed_dim": 48, "text_cfg": {"width": 32, "heads": 4, "layers": 5}}


def written(folder: Path, content: str) -> Path:
    """Write a yaml and what it names into `folder`."""
    path = folder / "models" / "tiny.yaml"
    (path.parent / "clip-tiny").mkdir(parents=True)
    (path.parent / "clip-tiny" / "config.json").write_text('{"hidden_size": 96, "num_hidden_layers": 6}')
    (path.parent / "tiny-openclip.json").write_text(json.dumps(OPEN_CLIP))
    path.write_text(content, encoding="utf-8")
    return path


def test_sd2(tmp_path: Path) -> None:
    found = read_ldm_config(written(tmp_path, SD2_V_YAML))
    assert found.prediction == "v"
    assert found.unet.heads == (4, 8, 16, 16)
    assert found.unet.linear_projection
    assert found.tokenizer is None
    assert found.texts == (
        ClipTextArchitecture(
            vocab_size=49408,
            hidden_size=32,
            intermediate_size=128,
            num_hidden_layers=5,
            num_attention_heads=4,
            max_position_embeddings=77,
            hidden_act="gelu",
            layer=2,
            projection_dim=48,
        ),
    )


def test_sdxl(tmp_path: Path) -> None:
    found = read_ldm_config(written(tmp_path, XL_YAML))
    assert found.unet == UNetArchitecture(
        model_channels=32,
        channel_mult=(1, 2, 4),
        depths=TransformerDepths.regular([0, 1, 2], middle=2, num_res_blocks=2),
        heads=(4, 8, 16),
        context_dim=128,
        linear_projection=True,
        vector_dim=XL_VECTOR,
    )
    assert found.vae == VaeArchitecture(channels=32, channel_mult=(1, 2, 4, 4), num_res_blocks=2)
    clip, open_clip = found.texts
    assert (clip.hidden_size, clip.layer) == (96, 4)  # output 3 of 6 layers, the embeddings being output 0
    assert (open_clip.hidden_size, open_clip.layer) == (32, 2)
    assert (found.scale_factor, found.prediction, found.timesteps) == (0.13025, "eps", 1000)
    assert (found.linear_start, found.linear_end) == (0.00085, 0.012)


def test_a_vocabulary_beside_one_text_encoder_is_that_of_all(tmp_path: Path) -> None:
    path = written(tmp_path, XL_YAML)
    (path.parent / "clip-tiny" / "vocab.json").write_text("{}")
    assert read_ldm_config(path).tokenizer == path.parent / "clip-tiny"


def test_v_prediction_and_another_schedule(tmp_path: Path) -> None:
    schedule = "LegacyDDPMDiscretization\n          params: {linear_start: 0.001, linear_end: 0.02, num_timesteps: 500}"
    changed = XL_YAML.replace(".EpsScaling", ".VScaling").replace("LegacyDDPMDiscretization", schedule)
    found = read_ldm_config(written(tmp_path, changed))
    assert (found.prediction, found.linear_start, found.linear_end, found.timesteps) == ("v", 0.001, 0.02, 500)


def test_one_depth_for_all_levels_and_widths_for_each(tmp_path: Path) -> None:
    changed = XL_YAML.replace("[1, 1, 2]", "4").replace("context_dim: 128", "context_dim: [128, 128, 128]")
    found = read_ldm_config(written(tmp_path, changed)).unet
    assert found.depths == TransformerDepths.regular([0, 4, 4], middle=4, num_res_blocks=2)
    assert found.context_dim == 128


def test_the_middle_may_have_its_own_depth(tmp_path: Path) -> None:
    changed = XL_YAML.replace("[1, 1, 2]", "[1, 1, 2]\n        transformer_depth_middle: 0")
    assert read_ldm_config(written(tmp_path, changed)).unet.depths.middle == 0


@pytest.mark.parametrize(
    ("name", "widths", "layers"),
    [
        ("sd2/v2-inference.yaml", (1024,), (24,)),
        ("sdxl/sd_xl_base.yaml", (768, 1280), (12, 32)),
        ("sdxl/sd_xl_refiner.yaml", (1280,), (32,)),
    ],
)
def test_the_shipped_configurations(name: str, widths: tuple[int, ...], layers: tuple[int, ...]) -> None:
    found = read_ldm_config(CONFIGS / name)
    assert tuple(text.hidden_size for text in found.texts) == widths
    assert tuple(text.num_hidden_layers for text in found.texts) == layers
    assert all(text.layer == 2 and text.hidden_size == 64 * text.num_attention_heads for text in found.texts)
    assert sum(widths) == found.unet.context_dim
    assert all(width == 64 * heads for width, heads in zip(found.unet.widths, found.unet.heads, strict=True))
    assert found.tokenizer is None


def test_open_clips_default_is_the_text_encoder_of_sd2(tmp_path: Path) -> None:
    found = read_ldm_config(written(tmp_path, SD2_V_YAML.replace('arch: "tiny-openclip"\n        ', "")))
    assert found.texts[0].hidden_size == 1024


@pytest.mark.parametrize(("quick", "act"), [(True, "quick_gelu"), (False, "gelu")])
def test_the_activation_of_open_clip(tmp_path: Path, quick: bool, act: str) -> None:
    path = written(tmp_path, SD2_V_YAML)
    (path.parent / "tiny-openclip.json").write_text(json.dumps(OPEN_CLIP | {"quick_gelu": quick}))
    assert read_ldm_config(path).texts[0].hidden_act == act


@pytest.mark.parametrize("arch", ["../outside", "{outside}", "missing", "ViT-L-14"])
def test_a_text_encoder_elsewhere_is_refused(tmp_path: Path, arch: str) -> None:
    path = written(tmp_path, SD2_V_YAML.replace("tiny-openclip", arch.format(outside=tmp_path / "outside")))
    (tmp_path / "outside.json").write_text(json.dumps(OPEN_CLIP))
    with pytest.raises(ModelFileError, match=r"“tiny\.yaml” names the text encoder .* nothing is downloaded"):
        read_ldm_config(path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"embed_dim": 0, "text_cfg": {}}', '{"embed_dim": 8}'])
def test_a_text_encoder_that_cannot_be_used(tmp_path: Path, content: str) -> None:
    path = written(tmp_path, SD2_V_YAML)
    (path.parent / "tiny-openclip.json").write_text(content)
    with pytest.raises(ModelFileError, match=r"tiny-openclip\.json"):
        read_ldm_config(path)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("model_channels: 32", "model_channels: many", "network_config.params.model_channels"),
        ("[1, 1, 2]", "[1, 2]", "transformer_depth and channel_mult differ in length"),
        ("context_dim: 128", "context_dim: [128, 64, 128]", "context_dim is not the same everywhere"),
        (".EpsScaling", ".EDMScaling", "scaling_config.target"),
        ("LegacyDDPMDiscretization", "EDMDiscretization", "discretization_config.target"),
        ("layer: penultimate", "layer: pooled", "emb_models.1.params.layer"),
        ("num_head_channels: 8", "num_head_channels: -1", "neither num_heads nor num_head_channels"),
        ("network_config:", "network_config: 3\n    other:", "network_config"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    assert old in XL_YAML
    with pytest.raises(ModelFileError, match=r"“tiny\.yaml” does not describe a model that can be loaded") as caught:
        read_ldm_config(written(tmp_path, XL_YAML.replace(old, new)))
    assert complaint in str(caught.value)


@pytest.mark.parametrize("layer", [0, 7])
def test_a_layer_that_the_text_encoder_lacks(tmp_path: Path, layer: int) -> None:
    path = written(tmp_path, XL_YAML.replace("layer_idx: 3", f"layer_idx: {layer}"))
    with pytest.raises(ModelFileError, match=r"“tiny\.yaml” asks for a layer .* there are 6"):
        read_ldm_config(path)
