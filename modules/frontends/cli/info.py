"""`webui.py info picture.png`: print the generation parameters that a picture carries."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from modules.core.errors import EaselError
from modules.imaging.metadata import read_parameters


def run(argv: Sequence[str]) -> int:
    """Run the command and return its exit status: 0 printed, 1 when a picture has none or cannot be read."""
    parser = argparse.ArgumentParser(prog="webui.py info", description=__doc__)
    parser.add_argument("picture", type=Path, nargs="+")
    status = 0
    for path in parser.parse_args(argv).picture:
        try:
            text = read_parameters(path)
        except EaselError as error:
            print(error, file=sys.stderr)  # noqa: T201  # the answer of a command-line program
            status = 1
            continue
        if text is None:
            print(f"{path} carries no generation parameters.", file=sys.stderr)  # noqa: T201  # as above
            status = 1
        else:
            print(_printable(text))  # noqa: T201  # as above
    return status


def _printable(text: str) -> str:
    """Replace what the console cannot show."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)
