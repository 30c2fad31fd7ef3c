"""The composition root: the one place where objects are made and given to each other."""

import contextlib
import logging
import sys
import time
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path

from modules.core.conversion import Conversion, Converted
from modules.core.errors import EaselError, Interrupted
from modules.core.flags import Flags
from modules.core.parameters import LoadCheckpoint
from modules.core.paths import resolve_paths
from modules.frontends.backend import Backend
from modules.frontends.cli import generate, info, models
from modules.frontends.cli.arguments import parse_flags
from modules.jobs.console import show_on_console
from modules.jobs.journal import FileJournal
from modules.jobs.recorder import record_history
from modules.jobs.service import JobService
from modules.jobs.worker import Runner
from modules.jobs.workers.local import LocalWorker
from modules.library.file_report import FileReport
from modules.library.model_library import ModelLibrary, open_library
from modules.storage.history import open_history
from modules.storage.settings_store import SettingsStore

log = logging.getLogger("easel")

MISPLACED_SHOWN = 5
SETTLE_SECONDS = 5.0


def build_backend(flags: Flags) -> Backend:
    """Make everything below the front ends. Nothing of torch is imported before the first job runs."""
    configure_logging(flags.loglevel)
    paths = resolve_paths(flags)
    settings = SettingsStore(paths)
    library = open_library(paths)
    if paths.extra_checkpoint:
        chosen = library.checkpoints.find(str(paths.extra_checkpoint))
        settings.update({"sd_model_checkpoint": chosen.title}, trusted=True)

    def make_runner() -> Runner:
        # Imported in the GPU thread: torch and diffusers take seconds, and the page must not wait for them.
        from modules.pipeline.runner import PipelineRunner  # noqa: PLC0415  # see above

        return PipelineRunner(flags=flags, paths=paths, library=library)

    journal = FileJournal(paths.data / "queue.sqlite3")
    jobs, history = JobService(LocalWorker(make_runner), settings.snapshot, journal), open_history(paths)
    show_on_console(jobs)
    record_history(jobs, history)
    return Backend(jobs=jobs, settings=settings, library=library, history=history, paths=paths, flags=flags)


def configure_logging(level: str) -> None:
    """Send log lines of `level` and above to stderr, and keep chatty libraries quiet."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S")
    for name in ("httpx", "httpcore", "urllib3", "PIL", "asyncio"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))


def serve(flags: Flags) -> int:
    """Run the server until it is stopped; return the exit status."""
    # Imported here so that the command line's commands need not wait for the web framework.
    from modules.frontends.http_api.server import create_app, serve_app  # noqa: PLC0415  # see above

    backend = build_backend(flags)

    def on_ready(url: str) -> None:
        if not flags.nowebui:
            announce(url, flags)
        # Jobs that are left from before name the checkpoint that they need.
        if not restored:
            warm_up(backend)
        # The page opens at this moment, and ten thousand files can wait for it.
        time.sleep(SETTLE_SECONDS)
        backend.library.start()
        say_misplaced(backend.library)

    try:
        app = create_app(backend)
        if not flags.nowebui:
            from modules.frontends.gradio_ui.mount import mount_page  # noqa: PLC0415  # gradio takes two seconds

            app = mount_page(app, backend)
        # Before the first request: a page that lost its server asks for its job as soon as there is one again.
        restored = backend.jobs.restore()
        return serve_app(app, flags, on_ready=on_ready, before_stop=backend.jobs.close)
    finally:
        backend.jobs.close()
        backend.library.close()


def announce(url: str, flags: Flags) -> None:
    """Open the page in a browser, and a way to it from outside, where the flags ask for that."""
    from modules.frontends.gradio_ui.share import ShareError, open_share_link  # noqa: PLC0415  # as above

    if flags.autolaunch:
        webbrowser.open(url)
    if flags.share:
        try:
            print(f"Running on public URL: {open_share_link(url)}", flush=True)  # noqa: T201  # A1111's line
        except ShareError as error:
            log.warning(error)


def warm_up(backend: Backend) -> None:
    """Load the checkpoint in the background, so that the first picture need not wait for it."""
    if not backend.checkpoints.all():
        log.warning("No checkpoint found. Put one (.safetensors or .ckpt) into %s.", backend.paths.checkpoints[0])
    elif not backend.flags.skip_load_model_at_start:
        backend.jobs.submit(LoadCheckpoint())


def model_tools() -> models.ModelTools:
    """Return what the command `models` works with. Its parts import torch when they are used, not before."""

    def open_models(flags: Flags) -> ModelLibrary:
        configure_logging(flags.loglevel)
        return open_library(resolve_paths(flags))

    def inspect(path: Path) -> FileReport:
        from modules.loading.inspect_file import inspect_file  # noqa: PLC0415  # see above

        return inspect_file(path)

    def convert(conversion: Conversion, on_progress: Callable[[float], None]) -> Converted:
        from modules.loading.convert_file import convert_file  # noqa: PLC0415  # see above

        return convert_file(conversion, on_progress)

    return models.ModelTools(library=open_models, inspect=inspect, convert=convert)


def say_misplaced(library: ModelLibrary) -> None:
    """Name the model files that lie in wrong folders; this reads those that are new."""
    with contextlib.suppress(Interrupted):  # the program ends
        sentences = [sentence for _, sentence in library.misplaced()]
        for sentence in sentences[:MISPLACED_SHOWN]:
            log.warning(sentence)
        if len(sentences) > MISPLACED_SHOWN:
            log.warning("%d more files lie in wrong folders; their cards say so.", len(sentences) - MISPLACED_SHOWN)


def main(argv: Sequence[str]) -> int:
    """Run the command line `argv` (without the program's name) and return the exit status."""
    try:
        match list(argv):
            case ["generate", *rest]:
                return generate.run(rest, build_backend)
            case ["info", *rest]:
                return info.run(rest)
            case ["models", *rest]:
                return models.run(rest, model_tools())
            case _:
                return serve(parse_flags(argv))
    except EaselError as error:
        print(error, file=sys.stderr)  # noqa: T201  # the answer of a command-line program
        return 1
