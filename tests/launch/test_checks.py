"""The runner of all checks, with recorders in the place of the checks."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from modules.launch import checks

REPORT = """<testsuites name="pytest tests"><testsuite name="pytest" errors="1" failures="2" skipped="3" tests="20"
time="4.2"/></testsuites>"""


class Recorder:
    """Records commands and their variables; commands that have a word of `failing` fail."""

    def __init__(self, *failing: str, report: str | None = REPORT) -> None:
        self.commands: list[list[str]] = []
        self.variables: list[dict[str, str]] = []
        self.failing = failing
        self.report = report

    def __call__(self, command: Sequence[str], variables: Mapping[str, str]) -> int:
        self.commands.append(list(command))
        self.variables.append(dict(variables))
        for word in command:
            if word.startswith("--junitxml=") and self.report is not None:
                Path(word.split("=", maxsplit=1)[1]).write_text(self.report)
        return int(any(word in self.failing for word in command))


def check(
    monkeypatch: pytest.MonkeyPatch, run: Recorder, *arguments: str, browser: str | None = "/bin/chromium"
) -> int:
    def provide(*_: object, **__: object) -> str | None:
        return browser

    monkeypatch.setattr(checks, "run", run)
    monkeypatch.setattr(checks, "provide_browser", provide)
    return checks.main(arguments)


def test_every_check_runs_in_order_and_pytest_closes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Recorder(report=REPORT.replace('errors="1" failures="2"', 'errors="0" failures="0"'))
    assert check(monkeypatch, run, "-k", "euler") == 0
    assert [command[1:4] for command in run.commands[:3]] == [
        ["-m", "ruff", "check"],
        ["-m", "ruff", "format"],
        ["-m", "pyright"],
    ]
    assert run.commands[3] == [sys.executable, "-c", checks.LINT_IMPORTS]
    assert run.commands[4][1:3] == ["-m", "pytest"]
    assert run.commands[4][-2:] == ["-k", "euler"]
    assert run.variables[4] == {"OMP_NUM_THREADS": "1", "EASEL_CHROMIUM": "/bin/chromium"}
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1] == "17 passed, 0 failed, 3 skipped in 4.2s"
    assert "FAILED" not in printed


@pytest.mark.parametrize("failing", ["check", "--check", "pyright", checks.LINT_IMPORTS])
def test_a_failing_check_lets_the_others_run_and_counts_at_the_end(
    failing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Recorder(failing)
    assert check(monkeypatch, run) == 1
    assert len(run.commands) == 5
    summary = capsys.readouterr().out.splitlines()[-6:]
    assert [line.split()[-1] for line in summary[:5]].count("FAILED") == 1


def test_failing_tests_are_counted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(monkeypatch, Recorder("pytest")) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "14 passed, 3 failed, 3 skipped in 4.2s"


@pytest.mark.parametrize("report", [None, "<testsuites/>"])
def test_tests_that_did_not_finish_are_a_failure(
    report: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(monkeypatch, Recorder(report=report)) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "pytest did not finish: its message is above"


def test_without_a_browser_its_tests_are_left_out_loudly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Recorder()
    assert check(monkeypatch, run, "-x", browser=None) == 0
    assert run.commands[4][-3:] == ["-m", "not browser", "-x"]
    assert "EASEL_CHROMIUM" not in run.variables[4]
    lines = capsys.readouterr().out.splitlines()
    assert [index for index, line in enumerate(lines) if "BROWSER TESTS ARE SKIPPED" in line] == [0, len(lines) - 2]


@pytest.mark.parametrize(
    ("answers", "apt", "installers"),
    [
        (["/bin/chromium"], True, []),
        ([None, "/bin/chromium"], True, ["apt-get", "apt-get"]),
        ([None, "/home/me/chrome"], False, [sys.executable]),
        ([None, None, "/home/me/chrome"], True, ["apt-get", "apt-get", sys.executable]),
        ([None, None], False, [sys.executable]),
    ],
)
def test_a_browser_is_installed_only_when_there_is_none(
    answers: list[str | None], apt: bool, installers: list[str]
) -> None:
    run = Recorder()
    wanted = answers[-1]
    waiting = iter(answers)
    assert checks.provide_browser(run, find=lambda: next(waiting), apt=apt) == wanted
    assert [command[0] for command in run.commands] == installers


def test_a_browser_that_does_not_start_is_not_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, status in (("chromium", 127), ("google-chrome", 0)):
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {status}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("EASEL_CHROMIUM", raising=False)
    assert checks.installed_browser() == str(tmp_path / "google-chrome")


def test_playwrights_own_browser_is_the_last_resort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "chrome"
    monkeypatch.setattr(checks, "playwright_browser", lambda: str(own))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("EASEL_CHROMIUM", raising=False)
    assert checks.installed_browser() is None
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    assert checks.installed_browser() == str(own)


def test_a_check_that_cannot_be_run_has_failed() -> None:
    assert checks.run(["/no/such/program"], {}) == 127
    code = "import os, sys; sys.exit(int(os.environ['WANTED']))"
    assert checks.run([sys.executable, "-c", code], {"WANTED": "3"}) == 3
