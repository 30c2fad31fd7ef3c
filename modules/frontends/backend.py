"""What every front end receives: the six things it needs, and nothing that is looked up by name."""

from dataclasses import dataclass

from modules.core.flags import Flags
from modules.core.paths import Paths
from modules.jobs.service import JobService
from modules.library.checkpoints import CheckpointLibrary
from modules.library.model_library import ModelLibrary
from modules.storage.history import History
from modules.storage.settings_store import SettingsStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """Everything below the front ends.

    Attributes:
        jobs: takes requests and tells how they are getting on.
        settings: what the person has chosen, kept in `config.json`.
        library: the model files there are.
        history: what was made before.
        paths: where things are.
        flags: how the program was started.
    """

    jobs: JobService
    settings: SettingsStore
    library: ModelLibrary
    history: History
    paths: Paths
    flags: Flags

    @property
    def checkpoints(self) -> CheckpointLibrary:
        """The checkpoints among them."""
        return self.library.checkpoints
