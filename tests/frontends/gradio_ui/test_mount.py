import os
import time
from pathlib import Path

from fastapi import FastAPI

from modules.core.flags import Flags
from modules.core.paths import resolve_paths
from modules.frontends.backend import Backend
from modules.frontends.gradio_ui.mount import mount_page
from modules.jobs.service import JobService
from modules.library.model_library import open_library
from modules.storage.history import open_history
from modules.storage.settings_store import SettingsStore
from tests.frontends.fake_worker import fake_worker


def test_copies_that_a_crash_left_behind_are_deleted(tmp_path: Path) -> None:
    flags = Flags(data_dir=tmp_path)
    paths = resolve_paths(flags)
    old, new = paths.temporary / "a" / "old.png", paths.temporary / "b" / "new.png"
    for path in (old, new):
        path.parent.mkdir(parents=True)
        path.touch()
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(old, (two_days_ago, two_days_ago))
    settings = SettingsStore(paths)
    jobs = JobService(fake_worker(), settings.snapshot)
    library = open_library(paths)
    mount_page(
        FastAPI(),
        Backend(jobs=jobs, settings=settings, library=library, history=open_history(paths), paths=paths, flags=flags),
    )
    jobs.close()
    assert new.exists()
    assert not old.exists()
