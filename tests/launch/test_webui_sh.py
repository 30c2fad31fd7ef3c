"""`webui.sh` for real, in a scratch project whose one requirement lies in a local folder: no network."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from modules.launch.environment import ROOT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="webui.sh is for POSIX systems")

PROGRAM = """\
import sys
import easel_probe
print("started", *sys.argv[1:])
sys.exit(easel_probe.STATUS)
"""


def write_wheel(folder: Path) -> None:
    """Write easel_probe 1.0: one module, whose STATUS is 7."""
    folder.mkdir()
    info = "easel_probe-1.0.dist-info"
    with zipfile.ZipFile(folder / "easel_probe-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("easel_probe.py", "STATUS = 7\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: easel-probe\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"easel_probe.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


class Project:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.wheels = root.parent / "wheels"
        shutil.copytree(ROOT / "modules" / "launch", root / "modules" / "launch")
        shutil.copy(ROOT / "webui.sh", root)
        (root / "configs").mkdir()
        (root / "configs" / "constraints.txt").write_text("")
        (root / "requirements.txt").write_text("easel-probe==1.0\n")
        (root / "webui.py").write_text(PROGRAM)
        write_wheel(self.wheels)

    def start(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        clean = {
            key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "TORCH_INDEX", "PYTHON"))
        }
        pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_CONFIG_FILE": os.devnull}
        return subprocess.run(
            [str(self.root / "webui.sh"), *arguments],
            env={**clean, **pip, "PYTHON": sys.executable, **environ},
            cwd=self.root.parent,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "my easel"
    root.mkdir()
    return Project(root)


def test_from_nothing_to_the_program_and_again(project: Project) -> None:
    first = project.start("--port", "7861", COMMANDLINE_ARGS="--api")
    assert first.returncode == 7, first.stderr
    assert first.stdout.splitlines()[-1] == "started --api --port 7861"
    assert "Successfully installed easel-probe-1.0" in first.stdout

    shutil.rmtree(project.wheels)
    (project.root / "webui-user.sh").write_text('export COMMANDLINE_ARGS="--medvram --theme dark"\n')
    link = project.root.parent / "link.sh"
    link.symlink_to(project.root / "webui.sh")
    second = project.start("--listen")
    assert second.stdout == "started --medvram --theme dark --listen\n"
    assert subprocess.run([str(link)], capture_output=True, text=True, check=False).returncode == 7


def test_a_requirement_that_cannot_be_had_is_one_sentence(project: Project) -> None:
    (project.root / "requirements.txt").write_text("easel-probe==2.0\n")
    done = project.start()
    assert done.returncode == 1
    assert "started" not in done.stdout
    assert "Easel could not be set up. pip could not install requirements.txt" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_python_that_is_not_there_is_one_sentence(project: Project) -> None:
    done = project.start(PYTHON="/opt/no-such-python")
    assert done.returncode == 1
    assert "3.11, 3.12 or 3.13" in done.stderr
    assert "/opt/no-such-python" in done.stderr
    assert done.stderr.count("\n") == 1
