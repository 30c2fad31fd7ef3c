"""What files say about themselves."""

import json
import os
from pathlib import Path

import pytest

from modules.library.kinds import Content, ModelKind
from modules.library.model_facts import (
    MAX_TAGS,
    MAX_TEXT,
    ModelFacts,
    facts_as_json,
    facts_of_json,
    read_facts,
)
from tests.safetensors_headers import with_length, write_header

LORA = {"lora_unet_x.lora_down.weight": (4, 320), "lora_unet_x.lora_up.weight": (320, 4)}
KOHYA = {
    "ss_output_name": "my style",
    "ss_sd_model_name": "anime-v3.safetensors",
    "ss_base_model_version": "sdxl_base_v1-0",
    "ss_resolution": "(832, 1216)",
    "ss_tag_frequency": json.dumps({"10_a": {"cat": 3, "red hat ": 2}, "5_b": {"cat": 4, "dog": 6}}),
    "sshs_model_hash": "ab" * 32,
    "modelspec.title": "My style",
    "modelspec.architecture": "stable-diffusion-xl-v1-base/lora",
    "modelspec.trigger_phrase": "mystyle, ink drawing ,mystyle",
    "modelspec.thumbnail": "data:image/jpeg;base64,AAAA",
    "modelspec.hash_sha256": "0x" + "cd" * 32,
}


def facts(tmp_path: Path, **texts: object) -> ModelFacts:
    return read_facts(write_header(tmp_path / "x.safetensors", texts, LORA)).facts


def test_what_a_trainer_writes(tmp_path: Path) -> None:
    assert facts(tmp_path, **KOHYA) == ModelFacts(
        content=Content(kind=ModelKind.LORA, algorithm="LoRA", rank=4),
        family="SDXL",
        alias="my style",
        base_model="anime-v3.safetensors",
        resolution="832x1216",
        trigger_words=("mystyle", "ink drawing"),
        tags=(("cat", 7), ("dog", 6), ("red hat", 2)),
        specification={
            "title": "My style",
            "architecture": "stable-diffusion-xl-v1-base/lora",
            "trigger_phrase": "mystyle, ink drawing ,mystyle",
        },
        claimed_hash="ab" * 32,
    )


def test_tensors_know_the_family_better_than_texts(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    shapes = {"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": (4, 768)}
    write_header(path, {"ss_base_model_version": "sdxl_base_v1-0"}, shapes)
    assert read_facts(path).facts.family == "SD 1.x"


@pytest.mark.parametrize(
    ("texts", "family"),
    [
        ({"ss_v2": "True", "ss_base_model_version": "sd_v1"}, "SD 2.x"),
        ({"ss_v2": "False", "ss_sd_model_name": "sd_v1-5.ckpt"}, "SD 1.x"),
        ({"ss_base_model_version": "sd_v1", "ss_sd_model_name": "my sdxl merge"}, "SD 1.x"),
        ({"modelspec.architecture": "flux-1-dev/lora", "ss_base_model_version": "sd_v1"}, "Flux"),
        ({}, ""),
    ],
)
def test_families_by_texts(texts: dict[str, str], family: str, tmp_path: Path) -> None:
    assert facts(tmp_path, **texts).family == family


def test_a_name_that_is_none_is_none(tmp_path: Path) -> None:
    assert facts(tmp_path, ss_output_name="None").alias == ""


@pytest.mark.parametrize(
    "frequency",
    ["", "[]", "5", '{"a": 5, "b": [1]}', "[" * 100_000, '{"a": {"x": "many", "y": -1, "z": 1e400, "": 3}}', "{"],
)
def test_strange_tags_are_left_out(frequency: str, tmp_path: Path) -> None:
    assert facts(tmp_path, ss_tag_frequency=frequency).tags == ()


def test_texts_have_bounds_and_a_form_that_every_file_can_hold(tmp_path: Path) -> None:
    tags = json.dumps({"a": {f"tag {n}": 100 - n for n in range(90)}})
    texts = {"modelspec.description": "x" * 10**6, "ss_output_name": "half \ud800 pair", "sshs_model_hash": "no hash"}
    found = facts(tmp_path, ss_tag_frequency=tags, **texts)
    assert found.tags == tuple((f"tag {n}", 100 - n) for n in range(MAX_TAGS))
    assert len(found.specification["description"]) == MAX_TEXT
    assert found.alias == "half ? pair"
    assert found.claimed_hash == ""
    assert facts_of_json(facts_as_json(found)) == found


@pytest.mark.parametrize(
    ("texts", "resolution"),
    [
        ({"ss_resolution": "(512, 768)"}, "512x768"),
        ({"ss_resolution": "512,768"}, "512x768"),
        ({"modelspec.resolution": "1024x1024", "ss_resolution": "(1, 2)"}, "1024x1024"),
        ({"ss_resolution": "None"}, "None"),
        ({}, ""),
    ],
)
def test_resolutions(texts: dict[str, str], resolution: str, tmp_path: Path) -> None:
    assert facts(tmp_path, **texts).resolution == resolution


@pytest.mark.parametrize(
    "content",
    [b"", b"abc", os.urandom(1000), with_length(b"{}", length=2**40), with_length(b"{" + b"[" * 99999), b"\x80\x02."],
    ids=range(6),
)
def test_files_of_no_known_format_say_nothing(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    assert read_facts(path).facts == ModelFacts()
    assert read_facts(tmp_path / "gone.safetensors").facts == ModelFacts()


def test_a_file_is_known_again_by_its_beginning(tmp_path: Path) -> None:
    first, same, other = (write_header(tmp_path / name, {"a": name[0]}, LORA) for name in ("x1", "x2", "y"))
    assert read_facts(first).head == read_facts(same).head != read_facts(other).head != ""
    (tmp_path / "x.pt").write_bytes(b"string_to_param")
    assert len(read_facts(tmp_path / "x.pt").head) == 64


@pytest.mark.parametrize(
    ("pipeline", "unet", "family"),
    [
        ({"_class_name": "StableDiffusionPipeline"}, {"cross_attention_dim": 1024}, "SD 2.x"),
        ({"_class_name": "StableDiffusionXLPipeline"}, {}, "SDXL"),
        ({"_class_name": "FluxPipeline"}, {"cross_attention_dim": [1, 2]}, "Flux"),
        ({"_class_name": ["x"]}, {}, ""),
    ],
)
def test_diffusers_folders(pipeline: object, unet: object, family: str, tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    (tmp_path / "model_index.json").write_text(json.dumps(pipeline))
    (tmp_path / "unet" / "config.json").write_text(json.dumps(unet))
    found = read_facts(tmp_path).facts
    assert (found.content.kind, found.family) == (ModelKind.CHECKPOINT, family)
