import json
import shutil
import sys
from pathlib import Path

import pytest

from modules.core.errors import ModelFileError
from modules.core.paths import CONFIGS
from modules.families.architecture import ClipTextArchitecture, TransformerDepths, UNetArchitecture, VaeArchitecture
from modules.loading.ldm_config import read_ldm_config
from tests.tiny_checkpoint import YAML, write_yaml


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_yaml(tmp_path / "models" / "tiny.safetensors")


def edited(config: Path, old: str, new: str) -> Path:
    assert old in YAML
    config.write_text(YAML.replace(old, new), encoding="utf-8")
    return config


def test_sizes(config: Path) -> None:
    found = read_ldm_config(config)
    assert found.unet == UNetArchitecture(
        model_channels=32,
        channel_mult=(1, 2, 4, 4),
        depths=TransformerDepths.regular([1, 1, 1, 0], middle=1, num_res_blocks=2),
        heads=(8, 8, 8, 8),
        context_dim=32,
    )
    assert found.vae == VaeArchitecture(channels=32, channel_mult=(1, 2, 4, 4), num_res_blocks=2)
    assert found.texts == (
        ClipTextArchitecture(
            vocab_size=49408,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=3,
            num_attention_heads=2,
            max_position_embeddings=77,
            projection_dim=512,
        ),
    )
    assert (found.prediction, found.scale_factor, found.timesteps) == ("eps", 0.18215, 1000)
    assert (found.linear_start, found.linear_end) == (0.00085, 0.012)


def test_the_shipped_configuration_is_that_of_stable_diffusion_1() -> None:
    found = read_ldm_config(CONFIGS / "sd1" / "v1-inference.yaml")
    assert found.unet.widths == (320, 640, 1280, 1280)
    assert found.unet.context_dim == found.texts[0].hidden_size == 768
    assert found.texts[0].num_attention_heads == 12
    assert found.tokenizer is None


def test_settings(config: Path) -> None:
    edited(config, "scale_factor: 0.18215", 'scale_factor: 0.5\n    parameterization: "v"\n    timesteps: 500')
    found = read_ldm_config(config)
    assert (found.prediction, found.scale_factor, found.timesteps) == ("v", 0.5, 500)


def test_the_width_of_a_head_instead_of_the_number_of_heads(config: Path) -> None:
    edited(config, "num_heads: 8", "num_head_channels: 16")
    assert read_ldm_config(config).unet.heads == (2, 4, 8, 8)


def test_linear_projections(config: Path) -> None:
    edited(config, "transformer_depth: 1", "transformer_depth: 2, use_linear_in_transformer: true")
    found = read_ldm_config(config).unet
    assert found.depths == TransformerDepths.regular([2, 2, 2, 0], middle=2, num_res_blocks=2)
    assert found.linear_projection


def test_a_text_encoder_without_parameters_is_openais(config: Path) -> None:
    edited(config, "      params: {version: tiny-text-encoder}\n", "")
    assert read_ldm_config(config).texts[0].hidden_size == 768


def test_a_vocabulary_beside_the_text_encoder_is_used(config: Path) -> None:
    assert read_ldm_config(config).tokenizer is None
    encoder = config.parent / "tiny-text-encoder"
    (encoder / "vocab.json").write_text("{}", encoding="utf-8")
    assert read_ldm_config(config).tokenizer == encoder


def test_the_configuration_of_a_whole_clip_model(config: Path) -> None:
    path = config.parent / "tiny-text-encoder" / "config.json"
    path.write_text(json.dumps({"model_type": "clip", "text_config": {"hidden_size": 48}}), encoding="utf-8")
    assert read_ldm_config(config).texts[0].hidden_size == 48


@pytest.mark.parametrize(
    "version", ["../outside", "{outside}", "missing", "openai/clip-vit-base-patch32", "tiny-text-encoder/../../outside"]
)
def test_a_text_encoder_elsewhere_is_refused(config: Path, version: str) -> None:
    outside = config.parents[1] / "outside"
    shutil.copytree(config.parent / "tiny-text-encoder", outside)
    edited(config, "tiny-text-encoder", version.format(outside=outside))
    with pytest.raises(ModelFileError, match=r"“tiny\.yaml” names the text encoder .* nothing is downloaded"):
        read_ldm_config(config)


def test_classes_are_never_imported(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (config.parent / "trap.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(config.parent), *sys.path])
    edited(config, "ldm.models.diffusion.ddpm.LatentDiffusion", "trap.LatentDiffusion")
    assert read_ldm_config(config).unet.model_channels == 32


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("!!python/object/apply:os.system ['echo']", "cannot be read as yaml"),
        ("model: [", "cannot be read as yaml"),
        ("\0", "cannot be read as yaml"),
        ("", "does not describe a model"),
        ("model: 3", "does not describe a model that can be loaded: model"),
        (YAML.replace("model_channels: 32, ", ""), "unet_config.params.model_channels: Field required"),
        (YAML.replace("model_channels: 32", "model_channels: many"), "model_channels"),
        (YAML.replace("num_res_blocks: 2,\n", "num_res_blocks: 1000000000,\n"), "num_res_blocks"),
        (YAML.replace("num_heads: 8, ", ""), "neither num_heads nor num_head_channels"),
        (YAML.replace("attn_resolutions: []", "attn_resolutions: [32]"), "attn_resolutions"),
        (YAML.replace("scale_factor: 0.18215", "parameterization: x0"), "parameterization"),
        (" " * 2**21, "too large"),
    ],
)
def test_a_file_that_cannot_be_used(config: Path, content: str, complaint: str) -> None:
    config.write_text(content, encoding="utf-8")
    with pytest.raises(ModelFileError, match=r"“tiny\.yaml”") as caught:
        read_ldm_config(config)
    assert complaint in str(caught.value)


@pytest.mark.timeout(30)
def test_merge_keys_that_would_never_end(config: Path) -> None:
    merged = "".join(f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30))
    config.write_text(f"a0: &a0 {{x: 1}}\n{merged}")
    with pytest.raises(ModelFileError, match="cannot be read as yaml"):
        read_ldm_config(config)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"“x\.yaml” is no longer"):
        read_ldm_config(tmp_path / "x.yaml")


@pytest.mark.parametrize("content", ["", "[]", "{", '{"hidden_size": 0}', '{"hidden_act": "relu"}'])
def test_a_text_encoder_that_cannot_be_used(config: Path, content: str) -> None:
    (config.parent / "tiny-text-encoder" / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(ModelFileError, match=r"tiny-text-encoder.config\.json"):
        read_ldm_config(config)
