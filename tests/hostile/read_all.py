"""Reads every hostile file by every reader, in a process of its own: `python -m tests.hostile.read_all FOLDER`.

What came of it is printed as JSON. The process is to live, to run nothing and to need little memory.
"""

import json
import os
import resource
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from modules.core.errors import EaselError, UnsafeFileError
from tests.hostile.archives import ARCHIVES
from tests.hostile.headers import HEADERS
from tests.hostile.hostile_file import SENTINEL, HostileFile
from tests.hostile.other_files import OTHER_FILES
from tests.hostile.pickle_code import CODE_FILES
from tests.hostile.pickle_damage import DAMAGED_PICKLES
from tools.fuzz.readers import READERS
from tools.fuzz.watch import Watch

HOSTILE = (*CODE_FILES, *DAMAGED_PICKLES, *ARCHIVES, *HEADERS, *OTHER_FILES)
FREE_MEMORY = 2**30  # bytes of addresses that the process may still take when it begins to read


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a reader made of a file.

    Attributes:
        kind: "read", "refused", "unsafe", or the name of an exception that people must never see.
        message: what the exception says.
        seconds: of the processor.
        grown: by how many bytes the most memory that the process ever had has grown.
        events: what it did and should not, see `Watch`.
    """

    kind: str
    message: str = ""
    seconds: float
    grown: int
    events: Sequence[str]


def main(folder: Path) -> None:
    """Print the outcomes by file and reader, for the files that lie in `folder` under their numbers."""
    os.chdir(folder)
    warnings.simplefilter("ignore")
    watch = Watch()
    for name in READERS:  # what is imported when it is needed first
        _read(watch, name, folder / "good.safetensors")
        _read(watch, name, folder / "good.pt")
        _read(watch, name, folder / "good.png")
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + FREE_MEMORY, taken + FREE_MEMORY))
    outcomes = {
        str(number): {name: asdict(_read(watch, name, folder / f"{number}{file.suffix}")) for name in READERS}
        for number, file in enumerate(HOSTILE)
    }
    json.dump({"outcomes": outcomes, "ran": Path(SENTINEL).exists()}, sys.stdout)


def _read(watch: Watch, reader: str, path: Path) -> Outcome:
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    kind, message = "read", ""
    watch.awake = True
    try:
        READERS[reader](path)
    except UnsafeFileError as error:
        kind, message = "unsafe", str(error)
    except EaselError as error:
        kind, message = "refused", str(error)
    except BaseException as error:  # noqa: BLE001  # it is the finding
        kind, message = type(error).__name__, str(error)[:1000]
    watch.awake = False
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    events, watch.events = watch.events, []
    seconds = time.process_time() - start
    return Outcome(kind=kind, message=message, seconds=seconds, grown=grown, events=events)


def number_of(file: HostileFile) -> str:
    """Return the number of a file of the table."""
    return str(HOSTILE.index(file))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
