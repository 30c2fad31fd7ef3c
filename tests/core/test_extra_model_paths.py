"""ComfyUI's list of model folders."""

from pathlib import Path

import pytest

from modules.core.extra_model_paths import MAX_BYTES, read_extra_model_paths

EXAMPLE = """
# as ComfyUI ships it, with the first lines uncommented
a111:
    base_path: {root}/stable-diffusion-webui/

    checkpoints: models/Stable-diffusion
    configs: models/Stable-diffusion
    vae: models/VAE
    loras: |
         models/Lora
         models/LyCORIS
    upscale_models: |
                  models/ESRGAN
                  models/RealESRGAN
    embeddings: embeddings
    hypernetworks: models/hypernetworks
    controlnet: models/ControlNet

other_ui:
    is_default: true
    loras: {root}/more loras
    custom_nodes: path/custom_nodes
empty:
"""
FOLDERS = ("Stable-diffusion", "VAE", "Lora", "LyCORIS", "ESRGAN", "RealESRGAN", "hypernetworks")


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "extra_model_paths.yaml"
    file.write_text(text)
    return file


def test_the_example(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ui = tmp_path / "stable-diffusion-webui"
    for name in FOLDERS:
        (ui / "models" / name).mkdir(parents=True)
    (ui / "embeddings").mkdir()
    (tmp_path / "more loras").mkdir()
    found = read_extra_model_paths(write(tmp_path, EXAMPLE.format(root=tmp_path)))
    assert found == {
        "checkpoints": (ui / "models" / "Stable-diffusion",),
        "loras": (ui / "models" / "Lora", ui / "models" / "LyCORIS", tmp_path / "more loras"),
        "vae": (ui / "models" / "VAE",),
        "embeddings": (ui / "embeddings",),
        "hypernetworks": (ui / "models" / "hypernetworks",),
        "upscale_models": (ui / "models" / "ESRGAN", ui / "models" / "RealESRGAN"),
    }
    assert not caplog.records


def test_paths_are_relative_to_base_path_and_that_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ui/loras", "loras", "home/loras", "named/vae"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MODELS", str(tmp_path / "named"))
    text = "a: {base_path: ui, loras: loras}\nb: {loras: loras, vae: $MODELS/vae}\nc: {base_path: ~/, loras: loras}"
    found = read_extra_model_paths(write(tmp_path, text))
    assert found["loras"] == (tmp_path / "ui" / "loras", tmp_path / "loras", tmp_path / "home" / "loras")
    assert found["vae"] == (tmp_path / "named" / "vae",)


def test_no_file_is_no_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert not any(read_extra_model_paths(tmp_path / "extra_model_paths.yaml").values())
    assert not any(read_extra_model_paths(write(tmp_path, "# nothing yet")).values())
    assert not caplog.records


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a:\n  loras: [\n", "extra_model_paths.yaml, line 3: expected the node content"),
        ("a:\n\tloras: x\n", "extra_model_paths.yaml, line 2: found character"),
        ("- a\n- b", "extra_model_paths.yaml, line 1: the file holds no “key: value” lines"),
        ("good: {loras: there}\na: text", "extra_model_paths.yaml, line 2: “a” holds no “key: value” lines"),
        ("good: {loras: there}\na:\n  loras: [there]", "line 3: a folder is written as text"),
        ("good: {loras: there}\na:\n\n  loras: gone", "line 4: there is no folder"),
        ('good: {loras: there}\na:\n  loras: "x\\0y"', "line 3: 'x\\x00y' is no folder's name"),
        ("a: &a\n  loras: there\na: *a\n: - : :", "extra_model_paths.yaml, line 4"),
        ("\x00", "extra_model_paths.yaml cannot be read and is left out"),
        ("a: b\n---\nc: d", "extra_model_paths.yaml, line 2: but found another document"),
        ("[" * 100_000, "extra_model_paths.yaml cannot be read and is left out"),
        ("#" * (MAX_BYTES + 1), "it is no list of folders"),
    ],
    ids=range(12),
)
def test_what_is_damaged_is_said_and_the_rest_is_used(
    text: str, said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "there").mkdir()
    found = read_extra_model_paths(write(tmp_path, text))
    assert said in caplog.text
    assert len(caplog.records) == 1
    assert found["loras"] == ((tmp_path / "there",) if "good" in text else ())


def test_merge_keys_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    lines = ["a0: &a0 {loras: there}"] + [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 60)]
    assert read_extra_model_paths(write(tmp_path, "\n".join(lines)))["loras"] == (tmp_path / "there",)
