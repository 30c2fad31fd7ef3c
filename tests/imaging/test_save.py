import errno
import multiprocessing
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import pytest

from modules.core.errors import OutputError
from modules.imaging.save import next_number, save_beside, save_grid, save_once, save_picture, save_unnumbered


def save(folder: Path, stem: str = "1234", *, data: bytes = b"png") -> Path:
    return save_picture(data, folder, stem=stem)


def save_without_number(folder: Path, *, data: bytes = b"png", replace: bool = False) -> Path:
    return save_unnumbered(data, folder, stem="1234", replace=replace)


def save_named(folder: Path) -> None:
    save_once(b"png", folder / "0cc175b9.png")


@pytest.mark.parametrize(
    ("prefix", "names", "number"),
    [  # recorded from A1111's get_next_sequence_number
        ("", [], 0),
        ("", ["00000-1.png", "00005-x.png", "abc.png"], 6),
        ("a-b", ["a-b-0002.png", "a-0009.png"], 3),
        ("", ["00007", "00008.txt", "x00009.png"], 9),
        ("", ["1.5-x.png", "99999-1.png"], 100_000),
        ("", ["-5.png", "00010.png", "12"], 13),
        ("", ["\u0663-x.png", "+4-x.png", " 6 -y.png", "1_0-z.png"], 11),
    ],
)
def test_counts_on_as_a1111_does(prefix: str, names: Sequence[str], number: int, tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert next_number(tmp_path, prefix) == number


def test_names_and_folders(tmp_path: Path) -> None:
    folder = tmp_path / "outputs" / "txt2img-images"
    assert save(folder, data=b"picture").relative_to(folder) == Path("00000-1234.png")
    assert (folder / "00000-1234.png").read_bytes() == b"picture"
    assert save(folder, "5").name == "00001-5.png"
    assert save(folder, "").name == "00002.png"
    assert save_grid(b"grid", folder).relative_to(folder) == Path("grid-0000.png")
    assert save_grid(b"grid", folder, stem="1234").name == "grid-0001-1234.png"
    assert save(folder).name == "00003-1234.png"


def test_names_without_a_number(tmp_path: Path) -> None:
    folder = tmp_path / "outputs"
    first = save_without_number(folder, data=b"first")
    assert (first, save_without_number(folder).name, save_without_number(folder).name) == (
        folder / "1234.png",
        "1234-1.png",
        "1234-2.png",
    )
    save_beside(b"a cat", first, ".txt")
    assert first.read_bytes() == b"first"
    assert save_without_number(folder, data=b"second", replace=True) == first
    save_beside(b"a dog", first, ".txt", replace=True)
    assert (first.read_bytes(), first.with_suffix(".txt").read_bytes()) == (b"second", b"a dog")
    assert len(list(folder.iterdir())) == 4


def test_other_formats_and_what_lies_beside_a_picture(tmp_path: Path) -> None:
    path = save_picture(b"picture", tmp_path, stem="1.5", suffix=".webp")
    assert path.name == "00000-1.5.webp"
    assert save_grid(b"grid", tmp_path, suffix=".jpg").name == "grid-0000.jpg"
    text = save_beside(b"a cat", path, ".txt")
    assert (text.name, text.read_bytes(), path.read_bytes()) == ("00000-1.5.txt", b"a cat", b"picture")
    other = save_beside(b"a dog", path, ".txt")  # of a picture that was deleted, say
    assert (other.name, other.read_bytes(), text.read_bytes()) == ("00000-1.5-1.txt", b"a dog", b"a cat")
    assert save(tmp_path, "2").name == "00001-2.png"


def test_a_name_that_another_process_took_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def always_zero(_folder: Path, _prefix: str) -> int:
        return 0

    monkeypatch.setattr("modules.imaging.save.next_number", always_zero)
    first, second = save(tmp_path, data=b"first"), save(tmp_path, data=b"second")
    assert (first.name, second.name) == ("00000-1234.png", "00001-1234.png")
    assert first.read_bytes() == b"first"


def save_many(arguments: tuple[Path, int]) -> list[tuple[Path, bytes]]:
    folder, worker = arguments
    contents = [f"{worker} {number}".encode() for number in range(50)]
    return [(save(folder, "7", data=content), content) for content in contents]


def test_several_processes_never_overwrite_each_other(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        saved = [pair for pairs in pool.map(save_many, [(tmp_path, worker) for worker in range(3)]) for pair in pairs]
    assert len({path for path, _ in saved}) == 150
    assert all(path.read_bytes() == content for path, content in saved)


def die_half_way(folder: Path) -> None:
    def write(path: Path, data: bytes) -> None:
        with path.open("wb") as file:
            file.write(data[:1])
            file.flush()
            os._exit(7)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_bytes", write)
        save(folder, data=b"picture")


def test_a_program_that_is_killed_leaves_no_half_picture(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=die_half_way, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == 7
    assert [path.read_bytes() for path in tmp_path.glob("*.png")] == [b""]
    assert save(tmp_path).name == "00001-1234.png"


def test_what_is_named_by_its_content_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "0cc175b9.png"
    save_once(b"picture", path)
    save_once(b"another", path)
    assert (path.read_bytes(), list(path.parent.iterdir())) == (b"picture", [path])


def test_a_folder_below_a_file_is_answered_clearly(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        for write in (save, save_named, save_without_number):
            with pytest.raises(OutputError, match="is a file: move it away") as raised:
                write(folder)
            assert str(folder) in str(raised.value)


def test_a_full_disk_is_answered_clearly_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class FullDisk:
        """A file that is opened but cannot be written."""

        def __init__(self, file: IO[bytes]) -> None:
            self._file = file

        def __enter__(self) -> "FullDisk":
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()

        def write(self, data: bytes) -> int:
            self._file.write(data[:1])
            raise OSError(errno.ENOSPC, "No space left on device")

    real_open = Path.open

    def open_on_full_disk(path: Path, mode: str = "r", **options: Any) -> Any:
        return FullDisk(real_open(path, mode, **options))

    monkeypatch.setattr(Path, "open", open_on_full_disk)
    with pytest.raises(OutputError, match=r"No space left on device\. The disk is full: free some space"):
        save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_missing_rights_are_answered_clearly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OutputError, match=f"Cannot save a picture in {tmp_path}: Permission denied. Give yourself"):
        save(tmp_path)
