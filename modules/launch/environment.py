"""Set Easel up and start it: `webui.sh` and `webui.bat` hand their arguments to this file.

The first start makes `venv/` and installs `requirements.txt` into it; later starts compare a digest and go on at once.
It runs on whatever Python the person has, before anything is installed. So it uses the standard library only, imports
nothing of Easel, and is written in what Python 3.7 can read: an old Python must get a sentence, not a SyntaxError.

Environment variables:
    PYTHON: the interpreter to make `venv/` with.
    TORCH_INDEX_URL: index to take torch, torchvision and xformers from (https://download.pytorch.org/whl/cpu, …/cu126).
    COMMANDLINE_ARGS: flags for the server, before those of the command line (A1111's `webui-user` files set it).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUPPORTED = ("3.11", "3.12", "3.13")
PREFERRED = ("3.12", "3.11", "3.13")  # looked for in this order when the Python we run on is not supported
TORCH_FAMILY = ("torch", "torchvision", "xformers")  # built for one CUDA version: all from one index or none
WINDOWS_TORCH_INDEX = "https://download.pytorch.org/whl/cu128"  # PyPI's torch for Windows cannot use a GPU
LOW_ON_SPACE = 200 * 2**20  # bytes; with less than this left, a failed install has run out of room

PROBE = (
    "import sys, importlib.util as u;"
    "print('%d.%d' % sys.version_info[:2], *(int(u.find_spec(name) is not None) for name in ('pip', 'ensurepip')))"
)


class SetupError(Exception):
    """The set-up cannot go on; the text is a sentence for the person at the console."""


@dataclass(frozen=True)
class Interpreter:
    """What a Python says of itself.

    Attributes:
        command: how it is called.
        version: "3.11".
        has_pip: pip can be imported.
        has_ensurepip: it can make environments that have pip.
    """

    command: Sequence[str]
    version: str
    has_pip: bool
    has_ensurepip: bool


class Shell:
    """The commands that the set-up runs; tests put a recorder in its place."""

    def run(self, command: Sequence[str]) -> int:
        """Run `command` with its output on the console and return its exit status."""
        return subprocess.call(command)  # noqa: S603  # our own argument lists, never a shell

    def output(self, command: Sequence[str]) -> str | None:
        """Return what `command` prints, or None when it cannot be run or fails."""
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)  # noqa: S603  # as above
        except OSError:
            return None
        return done.stdout.decode(errors="replace") if done.returncode == 0 else None

    def become(self, command: Sequence[str]) -> int:
        """Replace this process by `command`; on Windows, which cannot, wait for it and return its exit status."""
        sys.stdout.flush()
        if os.name != "nt":
            os.execv(command[0], list(command))  # noqa: S606  # as above
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the server, which then ends by itself
        return self.run(command)


def say(text: str) -> None:
    """Print a line for the person at the console."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201  # the set-up talks to a console and has no log yet


class Environment:
    """The virtual environment `venv/` below `root`, and what is installed in it."""

    def __init__(self, root: Path, environ: Mapping[str, str], shell: Shell) -> None:
        self.root = root
        self.environ = environ
        self.shell = shell
        self.folder = root / "venv"
        self.python = self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self.torch_index = environ.get("TORCH_INDEX_URL") or (WINDOWS_TORCH_INDEX if os.name == "nt" else "")
        self._state_file = self.folder / "easel-setup.json"
        self._pip_log = self.folder / "pip.log"

    def prepare(self, *requirement_files: str) -> None:
        """Make the environment where it is missing or broken, and install those files that changed since the last time.

        Raises:
            SetupError: no usable Python, no network, no room, or pip failed.
        """
        version = self._ensure_venv()
        for name in requirement_files:
            digest = self._digest(name, version)
            if self._state().get(name) != digest:
                self._remember(**{name: ""})  # what an interrupted install leaves matches no digest
                self._install(name)
                self._remember(**{name: digest})

    # The interpreter and the environment

    def _ensure_venv(self) -> str:
        """Return the version of the environment's Python, after making the environment if need be."""
        asked = self._asked_python()
        found = self._probe([str(self.python)]) if self.python.exists() else None
        allowed = SUPPORTED if asked is None else (asked.version,)
        if found and found.has_pip and found.version in allowed:
            return found.version
        python = asked or self._find_python()
        if not python.has_ensurepip:
            raise SetupError(
                f"Python {python.version} cannot make virtual environments, because its venv package is not installed. "
                f"On Debian and Ubuntu: sudo apt install python{python.version}-venv. Then start again."
            )
        if self.folder.exists():
            self._remove(found)
        self._make_venv(python)
        return python.version

    def _asked_python(self) -> Interpreter | None:
        """Return the interpreter that PYTHON names, None without PYTHON."""
        asked = self.environ.get("PYTHON")
        if not asked:
            return None
        found = self._probe([asked])
        if found is None or found.version not in SUPPORTED:
            raise _wrong_version(f"PYTHON={asked}", found)
        return found

    def _find_python(self) -> Interpreter:
        """Return a supported Python: the one we run on, or else one that is installed beside it."""
        commands = [[sys.executable], *([f"python{version}"] for version in PREFERRED)]
        if os.name == "nt":
            commands += [["py", f"-{version}"] for version in PREFERRED]
        for command in commands:
            found = self._probe(command)
            if found and found.version in SUPPORTED:
                return found
        raise _wrong_version(sys.executable, self._probe([sys.executable]))

    def _probe(self, command: Sequence[str]) -> Interpreter | None:
        # -I: neither the current folder nor PYTHONPATH may pretend to be pip
        answer = self.shell.output([*command, "-I", "-c", PROBE])
        if answer is None:
            return None
        version, has_pip, has_ensurepip = answer.split()
        return Interpreter(command, version, has_pip == "1", has_ensurepip == "1")

    def _remove(self, found: Interpreter | None) -> None:
        """Remove the environment that is to be replaced, if it is ours to remove."""
        what = f"has Python {found.version} {'with' if found.has_pip else 'without'} pip" if found else "does not work"
        if not self._state_file.exists() or self.folder.is_symlink():
            raise SetupError(
                f"The folder {self.folder} {what}, and it was not made by this program: move it away and start again."
            )
        say(f"The environment {self.folder} {what}; it is made anew.")
        shutil.rmtree(self.folder)

    def _make_venv(self, python: Interpreter) -> None:
        say(f"Making the environment {self.folder} with Python {python.version}. This happens once.")
        self.folder.mkdir()
        self._remember()  # before the environment itself, so that a half-made one is known as ours
        if self.shell.run([*python.command, "-m", "venv", str(self.folder)]) != 0:
            raise self._explained(f"The environment {self.folder} could not be made; the reason is printed above.")

    # What is installed

    def _digest(self, name: str, version: str) -> str:
        """Return a digest of all that decides what an install of the file `name` yields."""
        digest = hashlib.sha256(f"{version}\n{self.torch_index}\n".encode())
        for path in (self.root / name, self.root / "configs" / "constraints.txt"):
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def _install(self, name: str) -> None:
        say(f"Installing {name}. If this is interrupted, the next start goes on with it.")
        lines = (line.split("#")[0].strip() for line in (self.root / name).read_text(encoding="utf-8").splitlines())
        wanted = [line for line in lines if line]
        extra: list[str] = []
        family = [line for line in wanted if _package(line) in TORCH_FAMILY]
        if family:
            absent = self._install_torch(family)
            wanted = [line for line in wanted if line not in absent]
            extra = ["--extra-index-url", self.torch_index] if self.torch_index else []
        constraints = str(self.root / "configs" / "constraints.txt")
        if self._pip("install", "--constraint", constraints, *extra, *wanted) != 0:
            raise self._explained(f"pip could not install {name}; its messages are above and in {self._pip_log}.")

    def _install_torch(self, family: Sequence[str]) -> list[str]:
        """Install torch and what is built against it from the chosen index; return the lines that it does not have.

        Without their dependencies, for an index of PyTorch's has old versions of those; pip fetches them afterwards.
        From PyPI the ordinary install does, except when another index's files have to be replaced.
        """
        before = self._state().get("torch_index")
        replace = before is not None and before != self.torch_index
        if not self.torch_index and not replace:
            self._remember(torch_index=self.torch_index)
            return []
        # Until the change is complete the state names no index, so that an interrupted one is done again.
        self._remember(torch_index="unfinished" if replace else self.torch_index)
        source = ["--index-url", self.torch_index] if self.torch_index else []
        options = ["--no-deps", *(["--force-reinstall"] if replace else []), *source]
        xformers = [line for line in family if _package(line) == "xformers"]
        essential = [line for line in family if line not in xformers]
        if self._pip("install", *options, *essential) != 0:
            raise self._explained(f"pip could not install {', '.join(essential)} from {self.torch_index or 'PyPI'}.")
        absent = [line for line in xformers if not self._install_xformers(line, options)]
        if absent and replace:
            self._pip("uninstall", "--yes", "xformers")
        self._remember(torch_index=self.torch_index)
        return absent

    def _install_xformers(self, line: str, options: Sequence[str]) -> bool:
        """Install xformers if the index has it; return whether it does."""
        cpu_only = self.torch_index.rstrip("/").endswith("/cpu")  # known to have none: spare the person pip's red lines
        if not cpu_only:
            if self._pip("install", *options, line) == 0:
                return True
            if "No matching distribution found" not in self._log_text():
                raise self._explained(f"pip could not install {line} from {self.torch_index or 'PyPI'}.")
        say(f"{self.torch_index} has no {_package(line)}: PyTorch's own attention is used instead.")
        return False

    def _pip(self, *arguments: str) -> int:
        if self._pip_log.exists():
            self._pip_log.unlink()  # pip appends, and the reason for a failure must be of this run
        options = ["--log", str(self._pip_log), "--disable-pip-version-check", "--no-input"]
        return self.shell.run([str(self.python), "-m", "pip", *arguments[:1], *options, *arguments[1:]])

    def _explained(self, otherwise: str) -> SetupError:
        """Return the error for a failed command, with the reason if it is a frequent one."""
        log = self._log_text()
        places = (self.folder, Path(tempfile.gettempdir()))
        if "No space left on device" in log or any(shutil.disk_usage(place).free < LOW_ON_SPACE for place in places):
            return SetupError(
                f"The disk is full: the set-up needs about 9 GB in {places[0]} and, while it runs, 4 GB in {places[1]} "
                "(set TMPDIR to use another folder). Free some space and start again."
            )
        if re.search(r"NewConnectionError|NameResolutionError|ConnectTimeout|Connection refused|ProxyError", log):
            return SetupError(
                "A download failed because the server could not be reached: check the connection (or the proxy) "
                "and start again; what is already there is kept."
            )
        return SetupError(otherwise)

    def _log_text(self) -> str:
        return self._pip_log.read_text(encoding="utf-8", errors="replace") if self._pip_log.exists() else ""

    # The state file: which digest of each requirements file is installed, and where torch came from

    def _state(self) -> dict[str, str]:
        try:
            return json.loads(self._state_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # no file yet, or one that was cut off: then nothing counts as installed
            return {}

    def _remember(self, **changes: str) -> None:
        text = json.dumps({**self._state(), **changes}, indent=1)
        new = self._state_file.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(self._state_file)


def _package(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9_.-]", requirement, maxsplit=1)[0].lower()


def _wrong_version(name: str, found: Interpreter | None) -> SetupError:
    what = f"is Python {found.version}" if found else "cannot be run"
    start = "set PYTHON=C:\\path\\to\\python.exe" if os.name == "nt" else "PYTHON=/path/to/python3.12 ./webui.sh"
    return SetupError(
        f"It needs Python 3.11, 3.12 or 3.13, but {name} {what}. Install one of those (your system's packages or "
        f"https://www.python.org/downloads/) and point to it: {start}"
    )


def split_words(text: str, *, windows: bool) -> list[str]:
    r"""Split `text` as a shell does; on Windows a backslash is part of a path, not an escape.

    Raises:
        SetupError: a quote is not closed.
    """
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    lexer.escape = "" if windows else "\\"
    try:
        return list(lexer)
    except ValueError as error:
        raise SetupError(f"COMMANDLINE_ARGS cannot be read ({error}): {text}") from error


def start(arguments: Sequence[str], root: Path, environ: Mapping[str, str], shell: Shell) -> int:
    """Prepare the environment and become the program: the server, one of its commands, or the checks.

    Returns:
        The exit status, where there is still somebody to return to.
    """
    environment = Environment(root, environ, shell)
    python = str(environment.python)
    if arguments and arguments[0] == "test":
        environment.prepare("requirements.txt", "requirements-dev.txt")
        return shell.become([python, str(root / "modules" / "launch" / "checks.py"), *arguments[1:]])
    is_command = bool(arguments) and not arguments[0].startswith("-")
    flags = [] if is_command else split_words(environ.get("COMMANDLINE_ARGS", ""), windows=os.name == "nt")
    environment.prepare("requirements.txt")
    return shell.become([python, str(root / "webui.py"), *flags, *arguments])


def main() -> int:
    """Run the set-up for this process's arguments; failures are one sentence and exit status 1."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        say("Running as root: files will belong to root, and whoever can reach the server acts with root's rights.")
    try:
        return start(sys.argv[1:], ROOT, os.environ, Shell())
    except SetupError as error:
        say(f"Easel could not be set up. {error}")
    except OSError as error:
        say(f"Easel could not be set up. {error.filename or ROOT}: {error.strerror}.")
    except KeyboardInterrupt:
        say("Interrupted. The next start goes on with the set-up.")
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())
