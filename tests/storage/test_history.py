"""The history: runs are found again by what was in them, and nothing that was written is lost."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.core.errors import OutputError, UnknownName
from modules.storage import history_table
from modules.storage.history import History
from modules.storage.history_entry import PictureKind, RunEnd, RunPicture, RunStart, RunStatus
from modules.storage.history_table import HistoryTable


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    it = History(tmp_path / "history.sqlite3")
    yield it
    it.close()


@pytest.fixture
def runs(history: History) -> HistoryTable:
    return history.runs


def start(prompt: str = "a cat", *, job_id: str = "it", seed: int = 1, text: str = "") -> RunStart:
    return RunStart(
        job_id=job_id,
        created=1000.0 + seed,
        kind="txt2img",
        prompt=prompt,
        seed=seed,
        checkpoint="alpha.safetensors",
        request='{"prompt": "x"}',
        settings="{}",
        search_text=f"{prompt}\n{seed}\n{text}",
    )


def picture(seed: int = 1, *, kind: PictureKind = PictureKind.PICTURE, path: Path | None = None) -> RunPicture:
    return RunPicture(path=path, infotext=f"Seed: {seed}", seed=seed, subseed=2, width=8, height=16, kind=kind)


def end(*pictures: RunPicture, status: RunStatus = RunStatus.FINISHED) -> RunEnd:
    return RunEnd(
        status=status, pictures=pictures, seconds=1.5, checkpoint="alpha", checkpoint_hash="0123456789", message="m"
    )


def add(runs: HistoryTable, prompt: str = "a cat", *, seed: int = 1, text: str = "") -> int:
    run = runs.begin(start(prompt, job_id=f"{prompt} {seed}", seed=seed, text=text))
    runs.end(run, end(picture(seed)), "alpha\n0123456789")
    return run


def found(runs: HistoryTable, search: str, **more: bool) -> list[int]:
    return [row.id for row in runs.page(search, **more).runs]


def test_a_run_comes_back_as_it_was_written(runs: HistoryTable, tmp_path: Path) -> None:
    run = runs.begin(start())
    pictures = (picture(kind=PictureKind.GRID), picture(path=tmp_path / "a.png"), picture(2, kind=PictureKind.MASK))
    runs.end(run, end(*pictures), "")
    whole = runs.find(run)
    assert whole.pictures == pictures
    assert (whole.request, whole.settings) == ('{"prompt": "x"}', "{}")
    row = whole.row
    assert (row.job_id, row.created, row.kind, row.prompt, row.seed) == ("it", 1001.0, "txt2img", "a cat", 1)
    assert (row.checkpoint, row.checkpoint_hash, row.seconds) == ("alpha", "0123456789", 1.5)
    assert (row.status, row.message, row.favourite) == (RunStatus.FINISHED, "m", False)
    assert runs.page("").runs == (row,)
    assert runs.page("").pictures == (pictures,)


def test_what_was_not_ended_is_there_after_a_crash_and_goes_on(tmp_path: Path) -> None:
    before = HistoryTable(tmp_path / "history.sqlite3")
    run = before.begin(start(job_id="cut"))
    before.add_picture(run, 0, picture(7))
    before.close()
    after = HistoryTable(tmp_path / "history.sqlite3")
    after.end_what_was_cut_off()
    assert after.find(run).row.status is RunStatus.CUT_OFF
    assert after.find(run).pictures == (picture(7),)
    assert after.begin(start(job_id="cut")) == run
    after.add_picture(run, 0, picture(7))
    after.end(run, end(picture(7), picture(8)), "")
    assert [image.seed for image in after.find(run).pictures] == [7, 8]
    assert after.begin(start(job_id="cut")) != run  # the id is used anew
    after.close()


def test_a_search_finds_all_words_in_any_case_and_script(runs: HistoryTable) -> None:
    cat, dog = add(runs, "A red CAT, <lora:Anna:1>", seed=77777), add(runs, "a dog", seed=999, text="2026-11-20")
    chinese = add(runs, "一只红色的猫，赛博朋克")
    odd = add(runs, "100% _under'score\"")
    assert found(runs, "") == [odd, chinese, dog, cat]
    assert found(runs, "red cat") == found(runs, "CAT Red") == found(runs, "anna") == [cat]
    assert found(runs, "77777") == [cat]
    assert found(runs, "2026-11") == [dog]
    assert found(runs, "红色") == [chinese]
    assert found(runs, "% _ ' \"") == [odd]
    assert found(runs, "0123456789 alpha dog") == [dog]
    assert found(runs, "red dog") == []
    assert runs.page("red dog").total == 0


def test_pages_follow_each_other(runs: HistoryTable) -> None:
    ids = [add(runs, seed=seed) for seed in range(7)][::-1]
    pages = [runs.page("cat", start=start, count=3) for start in (0, 3, 6, 9)]
    assert [[row.id for row in page.runs] for page in pages] == [ids[:3], ids[3:6], ids[6:], []]
    assert {page.total for page in pages} == {7}


def test_favourites(runs: HistoryTable) -> None:
    first, second = add(runs, "one"), add(runs, "two")
    runs.mark(first, favourite=True)
    assert found(runs, "", favourites=True) == [first]
    assert found(runs, "two", favourites=True) == []
    assert runs.find(first).row.favourite
    runs.mark(first, favourite=False)
    assert found(runs, "", favourites=True) == []
    assert second in found(runs, "")


def test_a_run_is_forgotten_as_a_whole(runs: HistoryTable, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"picture")
    run, other = add(runs, "one"), add(runs, "two")
    runs.end(run, end(picture(path=path)), "")
    runs.forget(run)
    assert path.exists()
    assert found(runs, "one") == []
    assert found(runs, "") == [other]
    for act in (lambda: runs.find(run), lambda: runs.forget(run), lambda: runs.mark(run, favourite=True)):
        with pytest.raises(UnknownName, match="no run"):
            act()
    assert add(runs) > other  # ids are never given again


def test_the_oldest_are_forgotten_but_no_favourites(runs: HistoryTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_table, "MAX_RUNS", 3)
    kept = add(runs, "kept")
    runs.mark(kept, favourite=True)
    ids = [add(runs, f"{number}") for number in range(5)]
    assert found(runs, "") == [ids[4], ids[3], kept]


def test_readers_and_a_writer_do_not_disturb_each_other(history: History) -> None:
    problems: list[Exception] = []

    def read() -> None:
        try:
            for _ in range(30):
                history.runs.page("cat")
        except OutputError as error:
            problems.append(error)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    ids = [add(history.runs, seed=seed) for seed in range(30)]
    for reader in readers:
        reader.join(30)
    assert problems == []
    assert len(found(history.runs, "")) == len(ids)


def test_a_file_that_cannot_be_used_is_named_and_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    path.mkdir()
    history = History(path)
    with pytest.raises(OutputError, match=r"history\.sqlite3"):
        _ = history.runs
    path.rmdir()
    assert history.runs.page("").total == 0
    history.close()
    history.close()
