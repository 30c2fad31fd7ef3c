"""The requirement files: all pinned, and all that the code imports."""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from modules.launch.environment import ROOT

OURS = {"modules", "tests", "tools", "benchmarks"}
FIXED = {"torch", "torchvision", "diffusers", "transformers", "safetensors", "gradio", "accelerate", "xformers"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(file: str) -> dict[str, str]:
    """Return version by package of a requirement file; every line must be an exact pin."""
    lines = (line for line in (ROOT / file).read_text(encoding="utf-8").splitlines() if line and line[0] != "#")
    found: dict[str, str] = {}
    for line in lines:
        match = re.fullmatch(r"([A-Za-z0-9_.-]+)(?:\[[a-z]+\])?==([0-9][0-9a-z.]*)(?: ; .+)?", line)
        assert match, line
        found[normal(match[1])] = match[2]
    return found


def imports(folder: Path) -> Iterator[str]:
    """Yield the top-level names of all third-party packages that the files in `folder` import."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Import(names=names):
                    yield from (alias.name.partition(".")[0] for alias in names)
                case ast.ImportFrom(module=str(module), level=0):
                    yield module.partition(".")[0]
                case _:
                    pass


def imported_packages(folder: str) -> set[str]:
    distributions = packages_distributions()
    names = set(imports(ROOT / folder)) - sys.stdlib_module_names - OURS
    return {normal(package) for name in names for package in distributions.get(name, [name])}


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt", "configs/constraints.txt"])
def test_every_line_is_an_exact_pin(file: str) -> None:
    assert pins(file)


def test_the_files_agree() -> None:
    first, dev, constraints = (pins(f) for f in ("requirements.txt", "requirements-dev.txt", "configs/constraints.txt"))
    assert not first.keys() & (dev.keys() | constraints.keys())
    assert all(constraints[name] == dev[name] for name in dev.keys() & constraints.keys())


def test_what_the_program_imports_is_required() -> None:
    # the runner of checks looks for Playwright's browser, with the packages of requirements-dev.txt
    assert imported_packages("modules") - {"playwright"} <= pins("requirements.txt").keys()


def test_what_is_required_is_imported() -> None:
    assert pins("requirements.txt").keys() - FIXED <= imported_packages("modules")


@pytest.mark.parametrize("folder", ["tests", "tools"])
def test_what_the_people_who_build_it_import_is_required(folder: str) -> None:
    assert imported_packages(folder) <= pins("requirements.txt").keys() | pins("requirements-dev.txt").keys()
