"""Keep a damaged file under another name instead of losing it."""

import itertools
import time
from pathlib import Path


def set_aside(path: Path) -> Path:
    """Rename `path` to `<name>.corrupt-<time>`, never over another file, and return the new name.

    Raises:
        OSError: it cannot be renamed.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    names = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    candidates = (path.with_name(f"{path.name}.corrupt-{stamp}{name}") for name in names)
    kept = next(candidate for candidate in candidates if not candidate.exists())
    path.rename(kept)
    return kept
