from pathlib import Path

import pytest

from modules.core.flags import Flags
from modules.core.paths import resolve_paths
from modules.library.checkpoints import CheckpointLibrary
from modules.pipeline.runner import PipelineRunner
from modules.storage.hashes import HashCache
from tests.recorded_checkpoint import write_recorded_checkpoint


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the checkpoint of the recordings."""
    folder = tmp_path_factory.mktemp("data")
    write_recorded_checkpoint(folder / "models" / "Stable-diffusion")
    return folder


@pytest.fixture(scope="session")
def runner(data: Path) -> PipelineRunner:
    """The pipeline on the CPU in float32, as the recordings were made."""
    flags = Flags(data_dir=data, no_half=True, use_cpu=("all",))
    paths = resolve_paths(flags)
    return PipelineRunner(flags=flags, paths=paths, checkpoints=CheckpointLibrary(paths, HashCache(paths.database)))
