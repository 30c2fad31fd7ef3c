import json
import os
from pathlib import Path

import pytest

from modules.library import checkpoint_info
from modules.library.checkpoint_info import (
    MAX_JSON_BYTES,
    MAX_YAML_BYTES,
    CheckpointInfo,
    CheckpointInfos,
    parse_prompts,
    parse_size,
    read_info,
)
from tests.safetensors_headers import PROMPTS, write_demo, write_header

CROSS_ATTENTION = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
SD1 = {CROSS_ATTENTION: [320, 768], "cond_stage_model.transformer.text_model.final_layer_norm.weight": [768]}
SD2 = {CROSS_ATTENTION: [320, 1024], "cond_stage_model.model.ln_final.weight": [1024]}
VECTOR = "model.diffusion_model.label_emb.0.0.weight"
CLIP_L = "conditioner.embedders.0.transformer.text_model.final_layer_norm.weight"
SDXL = {VECTOR: [1280, 2816], CLIP_L: [768], "conditioner.embedders.1.model.ln_final.weight": [1280]}
REFINER = {VECTOR: [1536, 2560], "conditioner.embedders.0.model.ln_final.weight": [1280]}
SD_TURBO = {CROSS_ATTENTION: [320, 1024], "conditioner.embedders.0.model.ln_final.weight": [1024]}
UNCLIP = {**SD2, VECTOR: [1280, 1536]}
V_YAML = (
    'model:\n  target: ldm.models.diffusion.ddpm.LatentDiffusion\n  params: {parameterization: "v", timesteps: 1000}\n'
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("768x768", (768, 768)),
        ("1024", (1024, 1024)),
        ("128X256", (128, 256)),
        (" 640 x 448 ", (640, 448)),
        ("512×768", (512, 768)),
        ("64x2048", (64, 2048)),
        ("500x509", (496, 512)),
        ("63x512", None),
        ("512x2049", None),
        ("99999999", None),
        ("512x", None),
        ("512x512x512", None),
        ("-512", None),
        ("512.0", None),
        ("٥١٢", None),
        ("large", None),
        ("", None),
    ],
)
def test_sizes(text: str, size: tuple[int, int] | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ('["a red cat"]', ("a red cat",)),
        ('[" a ", "日本 <b>"]', ("a", "日本 <b>")),
        ("[]", ()),
        (json.dumps(["x" * 300] * 12), ("x" * 300,) * 12),
        (json.dumps(["x"] * 13), ()),
        (json.dumps(["x" * 301]), ()),
        ('["a", 1]', ()),
        ('["a", ""]', ()),
        ('["two\\nlines"]', ()),
        ('["half a surrogate \\ud800"]', ()),
        ('["turned around \\u202e"]', ()),
        ('{"a": "b"}', ()),
        ('"a red cat"', ()),
        ("a red cat", ()),
        ("", ()),
        ("[" * 100_000, ()),
    ],
)
def test_prompts(text: str, prompts: tuple[str, ...]) -> None:
    assert parse_prompts(text) == prompts


def test_the_demo_model_says_that_it_is_one(tmp_path: Path) -> None:
    info = read_info(write_demo(tmp_path), None)
    assert info == CheckpointInfo(size=checkpoint_info.Size(128, 128), demo=True, prompts=PROMPTS)


def test_another_model_is_no_demo_and_has_sd1s_size(tmp_path: Path) -> None:
    path = write_header(tmp_path / "a.safetensors", {"modelspec.title": "A", "easel.demo": "no"}, SD1)
    assert read_info(path, None) == CheckpointInfo()
    assert CheckpointInfo().size == (512, 512)
    path.write_bytes(b"damaged")
    assert read_info(path, None) == CheckpointInfo()


@pytest.mark.parametrize(
    ("name", "shapes", "yaml", "side"),
    [
        ("v2-1.safetensors", SD2, V_YAML, 768),
        ("v2-1_768-ema.safetensors", SD2, None, 768),
        ("v2-1_512-ema.safetensors", SD2, None, 512),
        ("v2-1_768-ema.safetensors", SD2, V_YAML.replace('"v"', '"eps"'), 512),
        ("v2-1_768-ema.safetensors", SD2, "model: {params: {timesteps: 1000}}", 512),
        ("photo_768.safetensors", SD1, V_YAML, 512),
        ("odd_768.safetensors", {CROSS_ATTENTION: [320, 1024]}, V_YAML, 512),
        ("odd_768.safetensors", {**SD2, CROSS_ATTENTION: [320, 768]}, V_YAML, 512),
    ],
)
def test_sd2_is_told_by_its_weights_and_its_yaml(
    tmp_path: Path, name: str, shapes: dict[str, list[int]], yaml: str | None, side: int
) -> None:
    path = write_header(tmp_path / name, {}, shapes)
    config = None
    if yaml is not None:
        config = path.with_suffix(".yaml")
        config.write_text(yaml)
    assert read_info(path, config).size == (side, side)


@pytest.mark.parametrize(
    ("shapes", "side"),
    [
        (SDXL, 1024),
        (REFINER, 1024),
        (SD_TURBO, 512),
        (UNCLIP, 512),
        ({VECTOR: [1280, 2816]}, 512),
        ({CLIP_L: [1]}, 512),
    ],
)
def test_sdxl_is_told_by_its_weights(tmp_path: Path, shapes: dict[str, list[int]], side: int) -> None:
    """And so are those that were pruned from it: SSD-1B, Vega, KOALA."""
    assert read_info(write_header(tmp_path / "a.safetensors", {}, shapes), None).size == (side, side)


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ('{"sample_size": 128}', 1024),
        ('{"sample_size": 96}', 768),
        ('{"sample_size": 1000000}', 512),
        (f'{{"sample_size": {"9" * 4300}}}', 512),
        ('{"sample_size": true}', 512),
        ('{"sample_size": -8}', 512),
        ('{"sample_size": "128"}', 512),
        ('{"sample_size": [128, 128]}', 512),
        ("{}", 512),
        ("[128]", 512),
        ("{", 512),
        ("[" * 50_000, 512),
        ('{"sample_size": 128}' + " " * MAX_JSON_BYTES, 512),
        (None, 512),
    ],
)
def test_a_folder_is_told_by_its_networks_configuration(tmp_path: Path, text: str | None, side: int) -> None:
    if text is not None:
        (tmp_path / "unet").mkdir()
        (tmp_path / "unet" / "config.json").write_text(text)
    assert read_info(tmp_path, None).size == (side, side)


def test_a_folder_is_read_again_when_its_configuration_has_changed(tmp_path: Path) -> None:
    infos, config = CheckpointInfos(), tmp_path / "unet" / "config.json"
    config.parent.mkdir()
    for cells, side in ((96, 768), (128, 1024)):
        config.write_text(json.dumps({"sample_size": cells}))
        assert infos.of(tmp_path, None).size == (side, side)


def test_metadata_counts_more_than_the_kind_of_model(tmp_path: Path) -> None:
    for shapes in (SD2, SDXL):
        path = write_header(tmp_path / "v2-1_768.safetensors", {"modelspec.resolution": "640x512"}, shapes)
        assert read_info(path, None).size == (640, 512)


MERGED = "".join(f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30))
HOSTILE_YAML = {
    "missing": None,
    "empty": "",
    "a text": "v",
    "a list": "[model, params, parameterization]",
    "not yaml": "model: [",
    "two documents": f"{V_YAML}---\n{V_YAML}",
    "deep": "[" * 5000,
    "too large": V_YAML + "#" * MAX_YAML_BYTES,
    "a control character": V_YAML + "\0",
    "a list for a text": V_YAML.replace('"v"', '["v"]'),
    "code": V_YAML.replace('"v"', '!!python/object/apply:os.system ["false"]'),
    "merged for ever": f"a0: &a0 {{x: 1}}\n{MERGED}model: {{params: {{parameterization: eps}}}}",
}


@pytest.mark.parametrize("text", HOSTILE_YAML.values(), ids=HOSTILE_YAML)
@pytest.mark.timeout(30)
def test_a_hostile_yaml_says_nothing(tmp_path: Path, text: str | None) -> None:
    path = write_header(tmp_path / "v2-1_768.safetensors", {}, SD2)
    config = path.with_suffix(".yaml")
    if text is not None:
        config.write_text(text)
    assert read_info(path, config).size == (512, 512)


def test_a_file_is_read_again_only_when_it_or_its_yaml_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def reading(path: Path, config: Path | None) -> CheckpointInfo:
        read.append(path)
        return read_info(path, config)

    monkeypatch.setattr(checkpoint_info, "read_info", reading)
    infos = CheckpointInfos()
    path = write_header(tmp_path / "v2.safetensors", {}, SD2)
    config = path.with_suffix(".yaml")
    for _ in range(3):
        assert infos.of(path, None).size == (512, 512)
    assert len(read) == 1
    config.write_text(V_YAML)
    assert infos.of(path, config).size == (768, 768)
    config.write_text(V_YAML.replace('"v"', '"eps"'))
    assert infos.of(path, config).size == (512, 512)
    write_header(path, {"modelspec.resolution": "1024"}, SD2)
    assert infos.of(path, config).size == (1024, 1024)
    os.utime(path, ns=(0, 0))
    assert infos.of(path, config).size == (1024, 1024)
    assert len(read) == 5
    path.unlink()
    assert infos.of(path, config) == CheckpointInfo()
