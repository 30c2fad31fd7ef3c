"""Whether memory comes back after checkpoints took turns, and how long a turn takes.

usage: memory.py FIRST SECOND [--switches 20] [--kept 1]

Both are checkpoints, files or folders. Each switch loads the other one and makes a picture of 64×64 px in one step with
it, through the whole pipeline. Printed is the resident memory of the process after each (RSS). It is compared with that
after the first round, when libraries have loaded what they need. With `--kept 2` both stay in memory
(`sd_checkpoints_limit`), and a switch should take no time.
"""

import argparse
import gc
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil

from modules.core.cancellation import CancelToken
from modules.core.events import JobEvent
from modules.core.flags import Flags
from modules.core.job import Job
from modules.core.parameters import LoadCheckpoint, Txt2Img
from modules.core.paths import resolve_paths
from modules.core.settings import Settings
from modules.library.model_library import open_library
from modules.pipeline.runner import PipelineRunner

ALLOWED = 0.03
PICTURE = Txt2Img(prompt="a cat", sampler="Euler", steps=1, width=64, height=64, make_grid=False)


def link(checkpoints: list[Path], data: Path) -> list[str]:
    """Make checkpoints known to a data folder; return their names there."""
    folder = data / "models" / "Stable-diffusion"
    folder.mkdir(parents=True)
    names = [f"{number}-{path.name}" for number, path in enumerate(checkpoints, 1)]
    for name, path in zip(names, checkpoints, strict=True):
        (folder / name).symlink_to(path.resolve(), target_is_directory=path.is_dir())
    return names


def run(runner: PipelineRunner, request: LoadCheckpoint | Txt2Img, settings: Settings) -> float:
    """Run a job; return its seconds."""
    events: list[JobEvent] = []
    job = Job(id="memory", request=request, settings=settings, created=datetime.now(UTC))
    start = time.perf_counter()
    runner(job, events.append, CancelToken())
    return time.perf_counter() - start


def held() -> float:
    """Return the MiB of the process's resident memory."""
    gc.collect()
    return psutil.Process().memory_info().rss / 2**20


def main() -> int:
    """Print the table; return 1 when memory did not come back."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", type=Path, nargs=2)
    parser.add_argument("--switches", type=int, default=20)
    parser.add_argument("--kept", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary)
        names = link(arguments.checkpoints, data)
        flags = Flags(data_dir=data)
        paths = resolve_paths(flags)
        runner = PipelineRunner(flags=flags, paths=paths, library=open_library(paths))
        common = Settings(samples_save=False, grid_save=False, sd_checkpoints_limit=arguments.kept)
        print("| switch | to | loading | picture | memory |\n|---|---|---|---|---|")
        sizes: list[float] = []
        for switch in range(arguments.switches + 2):
            settings = common.model_copy(update={"sd_model_checkpoint": names[switch % 2]})
            loading, picture = (run(runner, request, settings) for request in (LoadCheckpoint(), PICTURE))
            sizes.append(held())
            print(f"| {switch} | {names[switch % 2]} | {loading:.3f} s | {picture:.2f} s | {sizes[-1]:,.0f} MiB |")
    start, end = sizes[1], sizes[-1]
    change = end / start - 1
    print(f"After {arguments.switches} switches: {start:,.0f} → {end:,.0f} MiB ({change:+.1%}; allowed ±{ALLOWED:.0%})")
    return int(abs(change) > ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
