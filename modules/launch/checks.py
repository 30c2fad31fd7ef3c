"""All checks, as `webui.sh test` runs them in the environment: lint, format, types, architecture, then the tests.

A failing check does not keep the later ones from running; the exit status counts them all.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TOGETHER = 2  # processes that run tests; more only wait for each other's browsers and models
BROWSER_VARIABLE = "EASEL_CHROMIUM"  # tells the browser tests which Chromium to start
LINT_IMPORTS = "from importlinter.cli import lint_imports_command as main; main()"  # it has no `python -m` form

STAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("ruff check", ("-m", "ruff", "check", ".")),
    ("ruff format", ("-m", "ruff", "format", "--check", ".")),
    ("pyright", ("-m", "pyright")),
    ("lint-imports", ("-c", LINT_IMPORTS)),
)

Run = Callable[[Sequence[str], Mapping[str, str]], int]
"""Runs a command with these variables added to the environment; returns the exit status (127: there is none)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What pytest counted; `failed` includes errors outside of the tests themselves."""

    passed: int
    failed: int
    skipped: int
    seconds: float


def say(text: str) -> None:
    """Print a line."""
    print(text, flush=True)  # noqa: T201  # this is a console program


def run(command: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run `command` in the project's folder with its output on the console; see `Run`."""
    try:
        return subprocess.call(command, cwd=ROOT, env={**os.environ, **variables})  # noqa: S603  # our own lists
    except OSError:
        return 127


def works(browser: str) -> bool:
    """Tell whether `browser` starts at all: Playwright's download lacks system libraries on a bare machine."""
    try:
        return subprocess.run([browser, "--version"], capture_output=True, timeout=60, check=False).returncode == 0  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False


def playwright_browser() -> str:
    """Return the path where Playwright keeps its own Chromium, downloaded or not."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # starts a Node process, and is seldom needed

    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


def installed_browser() -> str | None:
    """Return a working Chromium: the one named by EASEL_CHROMIUM, the system's, or Playwright's."""
    for name in (os.environ.get(BROWSER_VARIABLE, ""), *CHROMIUM_NAMES):
        path = shutil.which(name) if name else None
        if path and works(path):
            return path
    own = playwright_browser()
    return own if works(own) else None


def is_debian() -> bool:
    """Tell whether apt has a Chromium (Ubuntu's package of that name only points to a snap)."""
    release = Path("/etc/os-release")
    return release.is_file() and "ID=debian" in release.read_text(encoding="utf-8").splitlines()


def provide_browser(run: Run, *, find: Callable[[], str | None] = installed_browser, apt: bool) -> str | None:
    """Return a Chromium for the browser tests, installing one if there is none; None when that fails too.

    Args:
        run: runs the installers.
        find: looks for a Chromium that works.
        apt: whether Debian's package can be installed, that is, as root on Debian.
    """
    found = find()
    if not found and apt:
        say("Installing Debian's Chromium for the browser tests.")
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update", "-qq"], quiet)
        run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-liberation"], quiet)
        found = find()
    if not found:
        say("Downloading Playwright's Chromium for the browser tests.")
        run([sys.executable, "-m", "playwright", "install", "chromium"], {})
        found = find()
    return found


def run_stage(name: str, command: Sequence[str], run: Run, variables: Mapping[str, str] | None = None) -> bool:
    """Run one check, print its line and return whether it passed."""
    say(f"\n=== {name}")
    start = time.monotonic()
    passed = run([sys.executable, *command], variables or {}) == 0
    say(f"{name}: {'ok' if passed else 'FAILED'} ({time.monotonic() - start:.1f} s)")
    return passed


def read_counts(report: Path) -> Counts | None:
    """Return the counts of pytest's JUnit `report`, None when it was not written (pytest did not get that far)."""
    if not report.is_file():
        return None
    suite = ET.parse(report).find("testsuite")  # noqa: S314  # written by our own pytest a moment ago
    if suite is None:
        return None
    total, failures, errors, skipped = (int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped"))
    failed = failures + errors
    return Counts(passed=total - failed - skipped, failed=failed, skipped=skipped, seconds=float(suite.get("time", 0)))


def run_tests(arguments: Sequence[str], browser: str | None, run: Run) -> tuple[bool, str]:
    """Run pytest; return whether it passed and the closing line."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "tests.xml"
        # Without a browser those tests are left out here; `arguments` come last, so that a person's own -m wins.
        selection = [] if browser else ["-m", "not browser"]
        # Two at once, the tests of one file one after the other: they share servers and models.
        together = ["-n", str(min(TOGETHER, os.cpu_count() or 1)), "--dist", "loadfile"]
        command = ["-m", "pytest", f"--junitxml={report}", *together, *selection, *arguments]
        # One thread per operation: with the tiny models of the tests more of them only wait for each other.
        variables = {"OMP_NUM_THREADS": "1", **({BROWSER_VARIABLE: browser} if browser else {})}
        passed = run_stage("pytest", command, run, variables)
        counts = read_counts(report)
    if counts is None:
        return False, "pytest did not finish: its message is above"
    text = f"{counts.passed} passed, {counts.failed} failed, {counts.skipped} skipped in {counts.seconds:.1f}s"
    return passed, text


def main(arguments: Sequence[str]) -> int:
    """Run every check, with `arguments` for pytest; return 0 when all passed."""
    apt = hasattr(os, "geteuid") and os.geteuid() == 0 and is_debian() and shutil.which("apt-get") is not None
    browser = provide_browser(run, apt=apt)
    without = (
        f"*** THE BROWSER TESTS ARE SKIPPED: there is no Chromium, and none could be installed. "
        f"Install one (Debian: apt install chromium), or name it in {BROWSER_VARIABLE}. ***"
    )
    say(f"Browser tests use {browser}." if browser else without)
    results = [(name, run_stage(name, command, run)) for name, command in STAGES]
    passed, closing = run_tests(arguments, browser, run)
    results.append(("pytest", passed))
    say("")
    for name, good in results:
        say(f"{name:14}{'ok' if good else 'FAILED'}")
    if not browser:
        say(without)
    say(closing)
    return 0 if all(good for _, good in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
