"""The set-up's decisions, with a recorder in the place of the commands it runs."""

import ast
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from modules.launch import environment
from modules.launch.environment import Environment, SetupError, Shell, split_words, start

CPU = "https://download.pytorch.org/whl/cpu"
CUDA = "https://download.pytorch.org/whl/cu126"
ROCM = "https://download.pytorch.org/whl/rocm6.4"
TORCH = ["torch==2.10.0", "torchvision==0.25.0"]
XFORMERS = "xformers==0.0.35 ; sys_platform == 'linux'"
REQUIREMENTS = "\n".join(["# networks", *TORCH, XFORMERS, "", "gradio==6.31.0  # the page"])


class Usage(NamedTuple):
    free: int


class Recorder(Shell):
    """Records commands; `pythons` answers the probe, `on_run` can fail or write what the real command would."""

    def __init__(self, root: Path) -> None:
        self.venv = root / "venv"
        self.pythons = {sys.executable: "3.11 1 1"}
        self.commands: list[list[str]] = []
        self.became: list[str] = []
        self.on_run: Callable[[list[str]], int] = lambda _: 0

    def output(self, command: Sequence[str]) -> str | None:
        return self.pythons.get(" ".join(command[:-3]))

    def run(self, command: Sequence[str]) -> int:
        self.commands.append(list(command))
        status = self.on_run(list(command))
        if "venv" in command and status == 0:
            version = self.pythons[" ".join(command[:-3])].split()[0]
            (self.venv / "bin").mkdir(parents=True)
            (self.venv / "bin" / "python").write_text("")
            self.pythons[str(self.venv / "bin" / "python")] = f"{version} 1 1"
        return status

    def become(self, command: Sequence[str]) -> int:
        self.became = list(command)
        return 0

    def pip_calls(self) -> list[list[str]]:
        """The arguments of every pip command, without the options they all have."""
        own = ("--disable-pip-version-check", "--no-input", "--log", str(self.venv / "pip.log"))
        return [[word for word in call[3:] if word not in own] for call in self.commands if "pip" in call]


class Project:
    """A project folder, and the way to start it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.shell = Recorder(root)
        (root / "configs").mkdir()
        self.constraints = root / "configs" / "constraints.txt"
        self.constraints.write_text("h11==0.16.0\n")
        self.requirements = root / "requirements.txt"
        self.requirements.write_text(REQUIREMENTS)
        (root / "requirements-dev.txt").write_text("pytest==9.2.0\n")

    def start(self, *arguments: str, **environ: str) -> int:
        self.shell.commands.clear()
        self.shell.became.clear()
        return start(arguments, self.root, environ, self.shell)

    def fails(self, **environ: str) -> str:
        with pytest.raises(SetupError) as caught:
            self.start(**environ)
        assert not self.shell.became
        return str(caught.value)

    def break_pip(self, log: str, *, on: str = "") -> None:
        """Let pip calls that have a word starting with `on` fail, leaving `log`."""

        def run(command: list[str]) -> int:
            if "pip" not in command or not any(word.startswith(on) for word in command[3:]):
                return 0
            (self.root / "venv" / "pip.log").write_text(log)
            return 1

        self.shell.on_run = run

    def interrupt(self, word: str) -> None:
        """Let the first command with `word` be interrupted by Ctrl+C."""

        def run(command: list[str]) -> int:
            if word in command:
                raise KeyboardInterrupt
            return 0

        self.shell.on_run = run
        with pytest.raises(KeyboardInterrupt):
            self.start()
        self.shell.on_run = lambda _: 0


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    def plenty(_: Path) -> Usage:
        return Usage(free=2**40)

    monkeypatch.setattr(environment.shutil, "disk_usage", plenty)
    return Project(tmp_path)


# The first start and the second


def test_first_start_makes_the_environment_installs_and_starts(project: Project) -> None:
    assert project.start("--port", "7861") == 0
    venv = project.root / "venv"
    assert project.shell.commands[0] == [sys.executable, "-m", "venv", str(venv)]
    constraints = ["--constraint", str(project.constraints)]
    assert project.shell.pip_calls() == [["install", *constraints, *TORCH, XFORMERS, "gradio==6.31.0"]]
    assert project.shell.became == [str(venv / "bin/python"), str(project.root / "webui.py"), "--port", "7861"]


def test_second_start_runs_nothing_but_the_server(project: Project) -> None:
    project.start()
    project.start("--port", "1")
    assert project.shell.commands == []
    assert project.shell.became[-2:] == ["--port", "1"]


def test_a_change_of_requirements_or_constraints_is_installed(project: Project) -> None:
    project.start()
    project.requirements.write_text(REQUIREMENTS + "\ntqdm==4.70.1")
    project.start()
    assert project.shell.pip_calls()[0][-1] == "tqdm==4.70.1"
    project.constraints.write_text("h11==0.17.0\n")
    project.start()
    assert len(project.shell.pip_calls()) == 1


def test_an_environment_moved_to_another_python_is_filled_again(project: Project) -> None:
    project.start()
    project.shell.pythons[str(project.root / "venv/bin/python")] = "3.12 1 1"
    project.start()
    assert len(project.shell.pip_calls()) == 1


def test_a_failed_install_is_done_again(project: Project) -> None:
    project.break_pip("")
    project.fails()
    project.shell.on_run = lambda _: 0
    project.start()
    assert len(project.shell.commands) == 1, "only pip: the environment itself is there"


def test_an_interrupted_change_is_not_taken_for_the_state_before_it(project: Project) -> None:
    project.start()
    project.requirements.write_text("gradio==7\n")
    project.interrupt("install")
    project.requirements.write_text(REQUIREMENTS)
    project.start()
    assert len(project.shell.pip_calls()) == 1


def test_a_state_file_that_was_cut_off_counts_as_nothing_installed(project: Project) -> None:
    project.start()
    (project.root / "venv" / "easel-setup.json").write_text('{"requ')
    project.start()
    assert len(project.shell.pip_calls()) == 1


def test_the_checks_get_their_packages_and_arguments(project: Project) -> None:
    project.start("test", "-k", "euler")
    assert [call[-1] for call in project.shell.pip_calls()] == ["gradio==6.31.0", "pytest==9.2.0"]
    assert project.shell.became[1:] == [str(project.root / "modules/launch/checks.py"), "-k", "euler"]
    project.start()
    assert project.shell.commands == [], "the server does not mind them"


# Which Python


def test_an_old_python_looks_for_another_one(project: Project) -> None:
    project.shell.pythons = {sys.executable: "3.10 1 1", "python3.11": "3.11 1 1"}
    project.start()
    assert project.shell.commands[0][:3] == ["python3.11", "-m", "venv"]


@pytest.mark.parametrize("version", ["3.10", "3.14"])
def test_no_supported_python_is_one_sentence(project: Project, version: str) -> None:
    project.shell.pythons = {sys.executable: f"{version} 1 1"}
    text = project.fails()
    assert f"{sys.executable} is Python {version}" in text
    assert "3.11, 3.12 or 3.13" in text
    assert "PYTHON=/path/to/python3.12 ./webui.sh" in text
    assert not (project.root / "venv").exists()


def test_an_environment_that_works_does_not_need_the_python_beside_it(project: Project) -> None:
    project.start()
    project.shell.pythons[sys.executable] = "3.10 1 1"
    project.start()
    assert project.shell.commands == []


def test_python_is_honoured_also_by_an_environment_of_another_version(project: Project) -> None:
    project.start()
    project.shell.pythons["/opt/python3.13"] = "3.13 0 1"
    project.start(PYTHON="/opt/python3.13")
    assert project.shell.commands[0][:3] == ["/opt/python3.13", "-m", "venv"]
    assert len(project.shell.pip_calls()) == 1
    project.start(PYTHON="/opt/python3.13")
    assert project.shell.commands == []


@pytest.mark.parametrize(("answer", "said"), [("3.9 1 1", "is Python 3.9"), (None, "cannot be run")])
def test_a_wrong_python_is_refused_even_where_another_would_do(project: Project, answer: str | None, said: str) -> None:
    if answer:
        project.shell.pythons["/opt/python"] = answer
    assert f"PYTHON=/opt/python {said}" in project.fails(PYTHON="/opt/python")


def test_a_python_without_venv_names_the_package(project: Project) -> None:
    project.shell.pythons[sys.executable] = "3.11 1 0"
    assert "sudo apt install python3.11-venv" in project.fails()


# An environment that does not work


def test_a_half_made_environment_is_made_anew(project: Project) -> None:
    project.interrupt("venv")
    assert (project.root / "venv").exists()
    project.start()
    assert project.shell.commands[0][1:3] == ["-m", "venv"]


def test_an_environment_whose_python_is_gone_is_made_anew(project: Project) -> None:
    project.start()
    del project.shell.pythons[str(project.root / "venv/bin/python")]
    project.start()
    assert project.shell.commands[0][1:3] == ["-m", "venv"]
    assert len(project.shell.pip_calls()) == 1


def test_a_working_environment_of_somebody_else_is_used(project: Project) -> None:
    (project.root / "venv/bin").mkdir(parents=True)
    (project.root / "venv/bin/python").write_text("")
    project.shell.pythons[str(project.root / "venv/bin/python")] = "3.12 1 0"
    project.start()
    assert len(project.shell.commands) == len(project.shell.pip_calls()) == 1


def test_a_broken_environment_of_somebody_else_is_left_alone(project: Project) -> None:
    theirs = project.root / "venv" / "bin" / "python"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("")
    assert "move it away" in project.fails()
    assert theirs.exists()


def test_a_link_to_an_environment_elsewhere_is_left_alone(project: Project, tmp_path: Path) -> None:
    project.start()
    elsewhere = tmp_path / "elsewhere"
    (project.root / "venv").rename(elsewhere)
    (project.root / "venv").symlink_to(elsewhere)
    project.shell.pythons[str(project.root / "venv/bin/python")] = "3.10 1 1"
    assert "move it away" in project.fails()
    assert (elsewhere / "bin/python").exists()


# Where torch comes from


def test_torch_comes_from_the_index_and_the_rest_from_pypi(project: Project) -> None:
    project.start(TORCH_INDEX_URL=CUDA)
    torch, xformers, rest = project.shell.pip_calls()
    assert torch == ["install", "--no-deps", "--index-url", CUDA, *TORCH]
    assert xformers == ["install", "--no-deps", "--index-url", CUDA, XFORMERS]
    assert "--index-url" not in rest
    assert rest[-6:] == ["--extra-index-url", CUDA, *TORCH, XFORMERS, "gradio==6.31.0"]
    project.start(TORCH_INDEX_URL=CUDA)
    assert project.shell.commands == []


def test_cpu_wheels_go_without_xformers(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.start(TORCH_INDEX_URL=CPU + "/")
    assert not any("xformers" in word for call in project.shell.pip_calls() for word in call)
    assert "PyTorch's own attention" in capsys.readouterr().err


def test_an_index_without_xformers_goes_without(project: Project) -> None:
    project.break_pip("ERROR: No matching distribution found for xformers==0.0.35", on="xformers")
    project.shell.on_run = _only_first(project.shell.on_run, "xformers")
    project.start(TORCH_INDEX_URL=ROCM)
    assert project.shell.pip_calls()[-1][-3:] == [*TORCH, "gradio==6.31.0"]


def _only_first(run: Callable[[list[str]], int], word: str) -> Callable[[list[str]], int]:
    """Fail as `run` does when `word` is alone in the call; let calls that have more succeed."""
    return lambda command: run(command) if command[-1].startswith(word) else 0


def test_a_failure_to_install_xformers_is_not_taken_for_its_absence(project: Project) -> None:
    project.break_pip("something else", on="xformers")
    assert f"pip could not install {XFORMERS} from {CUDA}" in project.fails(TORCH_INDEX_URL=CUDA)


@pytest.mark.parametrize(("before", "after", "source"), [("", CUDA, ["--index-url", CUDA]), (CUDA, "", [])])
def test_another_index_replaces_torch(project: Project, before: str, after: str, source: list[str]) -> None:
    project.start(TORCH_INDEX_URL=before)
    project.start(TORCH_INDEX_URL=after)
    assert project.shell.pip_calls()[:2] == [
        ["install", "--no-deps", "--force-reinstall", *source, *TORCH],
        ["install", "--no-deps", "--force-reinstall", *source, XFORMERS],
    ]


def test_a_change_to_cpu_wheels_removes_xformers(project: Project) -> None:
    project.start()
    project.start(TORCH_INDEX_URL=CPU)
    assert ["uninstall", "--yes", "xformers"] in project.shell.pip_calls()


def test_a_change_of_index_that_failed_is_done_again(project: Project) -> None:
    project.start()
    project.break_pip("", on="torch")
    assert f"from {CUDA}" in project.fails(TORCH_INDEX_URL=CUDA)
    project.shell.on_run = lambda _: 0
    project.start(TORCH_INDEX_URL=CUDA)
    assert "--force-reinstall" in project.shell.pip_calls()[0]


def test_windows_takes_torch_from_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment.os, "name", "nt")
    there = Environment(tmp_path, {}, Shell())
    monkeypatch.undo()
    assert there.torch_index == "https://download.pytorch.org/whl/cu128"
    assert there.python == tmp_path / "venv" / "Scripts" / "python.exe"


# Reasons


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("OSError: [Errno 28] No space left on device: 'torch/lib'", "The disk is full"),
        ("urllib3.exceptions.NewConnectionError: [Errno 101] Network is unreachable", "could not be reached"),
        ("NameResolutionError: Failed to resolve 'pypi.org'", "could not be reached"),
        ("ERROR: No matching distribution found for torch==2.10.0", "pip could not install requirements.txt"),
    ],
)
def test_pip_failures_are_explained(project: Project, log: str, said: str) -> None:
    project.break_pip(log)
    assert said in project.fails()


def test_a_disk_too_full_for_pips_log_is_noticed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: Path) -> Usage:
        return Usage(free=0)

    monkeypatch.setattr(environment.shutil, "disk_usage", none)
    project.break_pip("")
    assert "The disk is full" in project.fails()


def test_the_reason_is_of_this_run(project: Project) -> None:
    project.break_pip("No space left on device")
    project.fails()
    project.shell.on_run = lambda command: 1 if "pip" in command else 0
    assert "disk" not in project.fails()


def test_a_failed_venv_is_explained(project: Project) -> None:
    project.shell.on_run = lambda command: 1 if "venv" in command else 0
    assert "could not be made" in project.fails()


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (SetupError("No Python."), 1, "Easel could not be set up. No Python."),
        (
            PermissionError(13, "Permission denied", "/x/venv"),
            1,
            "Easel could not be set up. /x/venv: Permission denied.",
        ),
        (KeyboardInterrupt(), 130, "Interrupted."),
    ],
)
def test_failures_are_one_line_and_a_status(
    error: BaseException, status: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> int:
        raise error

    monkeypatch.setattr(environment, "start", fail)
    monkeypatch.setattr(environment.os, "geteuid", lambda: 1000, raising=False)
    assert environment.main() == status
    printed = capsys.readouterr().err
    assert printed.startswith(said)
    assert printed.count("\n") == 1


def test_root_is_only_warned(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def succeed(*_: object) -> int:
        return 0

    monkeypatch.setattr(environment, "start", succeed)
    monkeypatch.setattr(environment.os, "geteuid", lambda: 0, raising=False)
    assert environment.main() == 0
    assert "Running as root" in capsys.readouterr().err


# Flags from the environment


def test_commandline_args_come_before_the_flags_of_the_command_line(project: Project) -> None:
    project.start("--port", "2", COMMANDLINE_ARGS="--port 1 --data-dir 'my models'")
    assert project.shell.became[2:] == ["--port", "1", "--data-dir", "my models", "--port", "2"]


@pytest.mark.parametrize("command", ["generate", "info"])
def test_commandline_args_are_the_servers(project: Project, command: str) -> None:
    project.start(command, "x", COMMANDLINE_ARGS="--listen")
    assert project.shell.became[2:] == [command, "x"]


def test_an_open_quote_in_commandline_args_is_told(project: Project) -> None:
    assert "COMMANDLINE_ARGS cannot be read" in project.fails(COMMANDLINE_ARGS="--ckpt 'a b")


def test_words_on_windows_keep_their_backslashes() -> None:
    text = r'--data-dir "C:\my models\sd" --ckpt C:\a#1.ckpt'
    assert split_words(text, windows=True) == ["--data-dir", r"C:\my models\sd", "--ckpt", r"C:\a#1.ckpt"]
    assert split_words(r"a\ b", windows=False) == ["a b"]


# What the file itself promises


def test_the_set_up_is_readable_by_old_pythons_and_needs_nothing_installed() -> None:
    source = Path(environment.__file__).read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 7))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or "modules"]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names | {"__future__"}


def test_the_real_shell_runs_asks_and_survives_a_missing_program(tmp_path: Path) -> None:
    shell = Shell()
    assert shell.run([sys.executable, "-c", "raise SystemExit(3)"]) == 3
    assert shell.output([sys.executable, "-c", "print('hello')"]) == "hello\n"
    assert shell.output([sys.executable, "-c", "raise SystemExit(3)"]) is None
    assert shell.output([str(tmp_path / "no-such-program")]) is None
