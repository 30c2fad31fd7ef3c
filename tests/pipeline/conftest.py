from pathlib import Path

import pytest

from modules.core.flags import Flags
from modules.core.paths import resolve_paths
from modules.library.model_library import open_library
from modules.pipeline.runner import PipelineRunner
from tests.recorded_add_ons import write_recorded_add_ons
from tests.recorded_checkpoint import (
    SD1_YAML,
    recorded_sd1,
    write_recorded,
    write_recorded_checkpoint,
    write_recorded_inpainting,
)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the checkpoints of the recordings, and one of the same kind that edits pictures.

    `tiny-sd1` is chosen where nothing else is asked for.
    """
    folder = tmp_path_factory.mktemp("data")
    models = folder / "models" / "Stable-diffusion"
    write_recorded_checkpoint(models)
    write_recorded_add_ons(folder)
    write_recorded_inpainting(models / "variants")
    write_recorded(models / "variants" / "tiny-sd1b.safetensors", recorded_sd1("b/"), SD1_YAML)
    editing = SD1_YAML.replace(" in_channels: 4\n", " in_channels: 8\n").replace("crossattn", "hybrid")
    write_recorded(models / "variants" / "tiny-sd1-edit.safetensors", recorded_sd1("edit/", in_channels=8), editing)
    return folder


@pytest.fixture(scope="session")
def runner(data: Path) -> PipelineRunner:
    """The pipeline on the CPU in float32, as the recordings were made."""
    flags = Flags(data_dir=data, no_half=True, use_cpu=("all",))
    paths = resolve_paths(flags)
    return PipelineRunner(flags=flags, paths=paths, library=open_library(paths))
