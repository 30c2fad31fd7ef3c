"""The history as a page sees it: only what it knows is shown, and no path comes from a client."""

import io
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from modules.frontends.backend import Backend
from modules.storage.history_entry import PictureKind, RunEnd, RunPicture, RunStart, RunStatus


def png(path: Path, colour: str = "teal") -> Path:
    Image.new("RGB", (800, 400), colour).save(path)
    return path


def picture(path: Path | None, seed: int = 1, kind: PictureKind = PictureKind.PICTURE) -> RunPicture:
    return RunPicture(path=path, infotext=f"Seed: {seed}", seed=seed, subseed=0, width=800, height=400, kind=kind)


def add(backend: Backend, *pictures: RunPicture, prompt: str = "a cat") -> int:
    runs = backend.history.runs
    run = runs.begin(
        RunStart(
            job_id=prompt,
            created=1_700_000_000.0,
            kind="txt2img",
            prompt=prompt,
            seed=1,
            checkpoint="tiny.safetensors",
            request='{"prompt": "a cat", "steps": 20}',
            settings='{"n_rows": 3}',
            search_text=prompt,
        )
    )
    runs.end(run, RunEnd(status=RunStatus.FINISHED, pictures=pictures, checkpoint="tiny", checkpoint_hash="abc"), "")
    return run


@pytest.fixture
def run(backend: Backend, tmp_path: Path) -> int:
    """A run with a grid, a picture, one that was not saved, and one that is no longer there."""
    return add(
        backend,
        picture(png(tmp_path / "grid.png"), kind=PictureKind.GRID),
        picture(png(tmp_path / "one.png")),
        picture(None, 2),
        picture(tmp_path / "gone.png", 3),
    )


def test_runs_are_listed_and_searched(client: TestClient, backend: Backend, run: int) -> None:
    other = add(backend, prompt="a dog")
    answer = client.get("/internal/history").json()
    assert (answer["total"], [each["id"] for each in answer["runs"]]) == (2, [other, run])
    found = client.get("/internal/history", params={"search": "CAT"}).json()
    assert [each["id"] for each in found["runs"]] == [run]
    (entry,) = found["runs"]
    assert (entry["pictures"], entry["cover"], entry["checkpoint"], entry["status"]) == (3, 1, "tiny", "finished")
    assert entry["created"] == "2023-11-14T22:13:20Z"
    assert found["total"] == 1
    part = client.get("/internal/history", params={"start": 1, "count": 1}).json()
    assert [each["id"] for each in part["runs"]] == [run]


def test_a_run_is_shown_with_its_whole_form(client: TestClient, run: int) -> None:
    whole = client.get(f"/internal/history/{run}").json()
    assert (whole["form"], whole["settings"]) == ({"prompt": "a cat", "steps": 20}, {"n_rows": 3})
    assert [(each["kind"], each["seed"], each["there"]) for each in whole["images"]] == [
        ("grid", 1, True),
        ("picture", 1, True),
        ("picture", 2, False),
        ("picture", 3, False),
    ]
    assert "path" not in whole["images"][0]


def test_pictures_are_served_large_and_small(client: TestClient, run: int, tmp_path: Path) -> None:
    large = client.get(f"/internal/history/{run}/picture/1")
    assert large.content == (tmp_path / "one.png").read_bytes()
    assert large.headers["content-type"] == "image/png"
    assert large.headers["content-disposition"] == 'inline; filename="one.png"'
    small = client.get(f"/internal/history/{run}/thumb/1")
    assert small.headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(small.content)).size == (320, 160)


@pytest.mark.parametrize("how", ["picture", "thumb"])
def test_only_pictures_that_are_there_are_served(client: TestClient, run: int, how: str) -> None:
    for number in (2, 3, 4, -1, 10**30):
        reply = client.get(f"/internal/history/{run}/{how}/{number}")
        assert reply.status_code == 404, reply.text
        assert "gone.png" not in reply.text
    assert client.get(f"/internal/history/{run + 1}/{how}/1").status_code == 404
    assert client.get(f"/internal/history/{run}/{how}/..%2F..%2Fconfig.json").status_code in (404, 422)


def test_other_files_are_not_served(client: TestClient, backend: Backend, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "folder.png").mkdir()
    run = add(backend, picture(tmp_path / "config.json"), picture(tmp_path / "folder.png"))
    for number in (0, 1):
        assert client.get(f"/internal/history/{run}/picture/{number}").status_code == 404


def test_favourites(client: TestClient, run: int) -> None:
    assert client.get("/internal/history", params={"favourites": True}).json()["total"] == 0
    assert client.post(f"/internal/history/{run}/favourite", json={"favourite": True}).status_code == 200
    assert client.get("/internal/history", params={"favourites": True}).json()["runs"][0]["favourite"] is True
    client.post(f"/internal/history/{run}/favourite", json={"favourite": False})
    assert client.get("/internal/history", params={"favourites": True}).json()["total"] == 0


def test_a_run_is_removed_and_its_pictures_stay(client: TestClient, run: int, tmp_path: Path) -> None:
    assert client.delete(f"/internal/history/{run}").status_code == 200
    assert client.get("/internal/history").json()["total"] == 0
    assert (tmp_path / "one.png").exists()
    for reply in (
        client.delete(f"/internal/history/{run}"),
        client.get(f"/internal/history/{run}"),
        client.post(f"/internal/history/{run}/favourite", json={"favourite": True}),
    ):
        assert reply.status_code == 404


@pytest.mark.parametrize("run", ["0", "-1", str(2**64), "x", "1.5"])
def test_numbers_that_name_no_run_are_refused(client: TestClient, run: str) -> None:
    assert client.get(f"/internal/history/{run}").status_code == 422


@pytest.mark.parametrize("query", [{"count": 0}, {"count": 1000}, {"start": -1}, {"search": "x" * 2000}])
def test_questions_without_bound_are_refused(client: TestClient, query: dict[str, str]) -> None:
    assert client.get("/internal/history", params=query).status_code == 422
