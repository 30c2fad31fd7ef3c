from pathlib import Path

import pytest

from modules.core.flags import Flags
from modules.core.paths import CONFIGS, child_ignoring_case, resolve_paths


def test_a_new_data_folder(tmp_path: Path) -> None:
    data = tmp_path / "data"
    paths = resolve_paths(Flags(data_dir=data))
    assert paths.checkpoints == (data / "models" / "Stable-diffusion",)
    assert paths.vae == (data / "models" / "VAE",)
    assert paths.lora == (data / "models" / "Lora",)
    assert paths.embeddings == (data / "embeddings",)
    assert paths.hypernetworks == (data / "models" / "hypernetworks",)
    assert paths.upscalers == (data / "models" / "ESRGAN",)
    assert paths.settings_file == data / "config.json"
    assert paths.styles_file == data / "styles.csv"
    assert not data.exists()


def test_an_existing_installation_whatever_the_case_of_its_folders(tmp_path: Path) -> None:
    for name in ("Models/stable-Diffusion", "Models/LORA", "Models/vae", "Embeddings", "Models/Hypernetworks"):
        (tmp_path / name).mkdir(parents=True)
    paths = resolve_paths(Flags(data_dir=tmp_path))
    assert paths.checkpoints == (tmp_path / "Models" / "stable-Diffusion",)
    assert paths.lora == (tmp_path / "Models" / "LORA",)
    assert paths.vae == (tmp_path / "Models" / "vae",)
    assert paths.embeddings == (tmp_path / "Embeddings",)
    assert paths.hypernetworks == (tmp_path / "Models" / "Hypernetworks",)


def test_the_exact_name_wins(tmp_path: Path) -> None:
    (tmp_path / "lora").mkdir()
    (tmp_path / "Lora").mkdir()
    assert child_ignoring_case(tmp_path, "Lora") == tmp_path / "Lora"
    assert child_ignoring_case(tmp_path, "LORA").name in ("Lora", "lora")
    assert child_ignoring_case(tmp_path / "missing", "Lora") == tmp_path / "missing" / "Lora"


def test_flags_replace_or_add_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    paths = resolve_paths(
        Flags(
            data_dir=Path("data"),
            models_dir=Path("~/m"),
            ckpt_dir=(Path("c"), Path("c2"), Path("c")),
            vae_dir=(Path("v"),),
            lora_dir=(Path("l"), Path("l2")),
            embeddings_dir=(Path("e"),),
            hypernetwork_dir=(Path("h"),),
            ckpt=Path("x.ckpt"),
            config=Path("x.yaml"),
            ui_settings_file=Path("s.json"),
            styles_file=Path("s.csv"),
        )
    )
    models = tmp_path / "home" / "m"
    assert paths.data == tmp_path / "data"
    assert paths.checkpoints == (models / "Stable-diffusion", tmp_path / "c", tmp_path / "c2")
    assert paths.vae == (models / "VAE", tmp_path / "v")
    assert paths.lora == (tmp_path / "l", tmp_path / "l2")
    assert (paths.embeddings, paths.hypernetworks) == ((tmp_path / "e",), (tmp_path / "h",))
    assert (paths.extra_checkpoint, paths.default_config) == (tmp_path / "x.ckpt", tmp_path / "x.yaml")
    assert (paths.settings_file, paths.styles_file) == (tmp_path / "s.json", tmp_path / "s.csv")


def test_the_second_folder_of_older_installations_is_searched_too(tmp_path: Path) -> None:
    (tmp_path / "models" / "lycoris").mkdir(parents=True)
    paths = resolve_paths(Flags(data_dir=tmp_path))
    assert paths.lora == (tmp_path / "models" / "Lora", tmp_path / "models" / "lycoris")


def test_folders_of_other_programs_come_after_our_own(tmp_path: Path) -> None:
    for name in ("comfy/ckpt", "comfy/lora", "comfy/up", "own"):
        (tmp_path / name).mkdir(parents=True)
    content = "x:\n  base_path: comfy\n  checkpoints: ckpt\n  loras: lora\n  upscale_models: up\n"
    (tmp_path / "extra_model_paths.yaml").write_text(content)
    paths = resolve_paths(Flags(data_dir=tmp_path, lora_dir=(tmp_path / "own",)))
    assert paths.checkpoints == (tmp_path / "models" / "Stable-diffusion", tmp_path / "comfy" / "ckpt")
    assert paths.lora == (tmp_path / "own", tmp_path / "comfy" / "lora")
    assert paths.upscalers == (tmp_path / "models" / "ESRGAN", tmp_path / "comfy" / "up")
    (tmp_path / "other.yaml").write_text("x: {checkpoints: own}")
    paths = resolve_paths(Flags(data_dir=tmp_path, extra_model_paths=tmp_path / "other.yaml"))
    assert paths.checkpoints == (tmp_path / "models" / "Stable-diffusion", tmp_path / "own")
    assert paths.lora == (tmp_path / "models" / "Lora",)


def test_output_folders_are_relative_to_the_data_folder(tmp_path: Path) -> None:
    paths = resolve_paths(Flags(data_dir=tmp_path))
    assert paths.output_folder("outputs/x") == tmp_path / "outputs" / "x"
    assert paths.output_folder("/elsewhere") == Path("/elsewhere")


def test_the_shipped_configs_are_where_they_are_looked_for() -> None:
    assert (CONFIGS.parent / "webui.py").is_file()
