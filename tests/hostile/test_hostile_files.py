"""Whatever a file holds, reading it runs nothing, ends soon, needs little memory, and says what is wrong."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest
import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]  # os.PathLike without argument

from tests.adapters.embedding_writers import as_info, photo, trained, vectors
from tests.hostile.read_all import HOSTILE
from tools.fuzz.readers import CODE_READERS

MAX_SECONDS = 4.0  # of the processor; the slowest take 2 where nothing else runs
MAX_GROWTH = 300 * 2**20  # bytes in all, for all files

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are those of Linux")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("hostile")
    for number, file in enumerate(HOSTILE):
        (folder / f"{number}{file.suffix}").write_bytes(file.make())
    torch.save(trained(vectors(1)), folder / "good.pt")
    save_file({"emb_params": vectors(1)}, folder / "good.safetensors")
    photo(64, 64).save(folder / "good.png", pnginfo=as_info(trained(vectors(1))))
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile.read_all", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_there_are_many() -> None:
    assert len(HOSTILE) >= 250
    assert len({file.name for file in HOSTILE}) == len(HOSTILE)


@pytest.mark.parametrize("number", range(len(HOSTILE)), ids=[file.name for file in HOSTILE])
def test_a_hostile_file(outcomes: dict[str, Any], number: int) -> None:
    file, readers = HOSTILE[number], outcomes["outcomes"][str(number)]
    for reader, outcome in readers.items():
        assert outcome["kind"] in {"read", "refused", "unsafe"}, (reader, outcome["kind"], outcome["message"])
        assert outcome["events"] == [], reader
        assert outcome["seconds"] < MAX_SECONDS, reader
        if outcome["kind"] != "read":
            assert f"“{number}{file.suffix}”" in outcome["message"]
            assert outcome["message"].isprintable()
            assert len(outcome["message"]) < 500
    assert readers["library"]["kind"] == "read"
    if file.code:
        assert {readers[reader]["kind"] for reader in CODE_READERS} == {"unsafe"}
        assert all(file.code in readers[reader]["message"] for reader in CODE_READERS)
    elif file.fault:
        assert readers["weights"]["kind"] != "read"
        assert re.search(file.fault, readers["weights"]["message"])
    else:
        assert readers["weights"]["kind"] == "read", readers["weights"]["message"]


def test_nothing_was_run(outcomes: dict[str, Any]) -> None:
    assert outcomes["ran"] is False


def test_memory_stays_small(outcomes: dict[str, Any]) -> None:
    grown = {
        (HOSTILE[int(number)].name, reader): outcome["grown"]
        for number, readers in outcomes["outcomes"].items()
        for reader, outcome in readers.items()
        if outcome["grown"]
    }
    assert sum(grown.values()) < MAX_GROWTH, sorted(grown.items(), key=lambda item: -item[1])[:5]
