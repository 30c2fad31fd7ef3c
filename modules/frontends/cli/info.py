"""`webui.py info picture.png`: print the generation parameters that a picture carries."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from modules.core.errors import EaselError
from modules.frontends.cli.console import complain, say
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
            complain(error)
            status = 1
            continue
        if text is None:
            complain(f"{path} carries no generation parameters.")
            status = 1
        else:
            say(text)
    return status
