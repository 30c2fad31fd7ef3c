"""Write finished pictures into the output folders, numbered as A1111 numbers them. Nothing is ever overwritten unasked,
and half a picture is never seen, not even after the program was killed.

What belongs to a picture (its infotext as a text file, a smaller copy) lies beside it under the same name.
"""

import errno
import secrets
from pathlib import Path

from modules.core.errors import OutputError

PNG_SUFFIX = ".png"
GRID_NAME = "grid"

_REMEDIES = {
    errno.ENOSPC: "The disk is full: free some space or choose another output folder in the settings",
    errno.EDQUOT: "The disk quota is used up: free some space or choose another output folder in the settings",
    errno.EACCES: "Give yourself the right to write there or choose another output folder in the settings",
    errno.EPERM: "Give yourself the right to write there or choose another output folder in the settings",
    errno.EROFS: "The disk is read-only: choose another output folder in the settings",
    errno.ENOTDIR: "A part of this path is a file: move it away or choose another output folder in the settings",
    errno.EEXIST: "A part of this path is a file: move it away or choose another output folder in the settings",
    errno.ENAMETOOLONG: "The path is too long: choose another output folder in the settings",
}


def save_picture(data: bytes, folder: Path, *, stem: str, suffix: str = PNG_SUFFIX) -> Path:
    """Write a picture as `<folder>/00000-<stem>.png` with the next free number.

    Args:
        data: the complete file.
        folder: output folder; made if it is missing.
        stem: what follows the number, usually the seed; empty for the number alone. A safe name.
        suffix: the file's ending.

    Returns:
        Path of the file, which this call made: another process that writes there never gets the same name.

    Raises:
        OutputError: it cannot be written; nothing is left behind.
    """
    return _write_numbered(data, folder, prefix="", digits=5, ending=f"-{stem}{suffix}" if stem else suffix)


def save_grid(data: bytes, folder: Path, *, stem: str = "", suffix: str = PNG_SUFFIX) -> Path:
    """Write a grid as `<folder>/grid-0000[-<stem>].png` with the next free number; see `save_picture`."""
    return _write_numbered(
        data, folder, prefix=f"{GRID_NAME}-", digits=4, ending=f"-{stem}{suffix}" if stem else suffix
    )


def save_unnumbered(data: bytes, folder: Path, *, stem: str, replace: bool, suffix: str = PNG_SUFFIX) -> Path:
    """Write a picture as `<folder>/<stem>.png`.

    Args:
        data: the complete file.
        folder: output folder; made if it is missing.
        stem: a safe name, not empty.
        replace: a file of that name is replaced; otherwise the new one is called `<stem>-1.png`, `<stem>-2.png` …
        suffix: the file's ending.

    Raises:
        OutputError: it cannot be written; nothing is left behind.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path, number = folder / f"{stem}{suffix}", 0
        if replace:
            _write_whole(data, path)
            return path
        while True:
            try:
                return _write_new(data, path)
            except FileExistsError:
                number += 1
                path = folder / f"{stem}-{number}{suffix}"
    except OSError as error:
        raise _output_error(folder, error) from error


def save_beside(data: bytes, picture: Path, suffix: str, *, replace: bool = False) -> Path:
    """Write what belongs to a saved picture, under its name with another ending.

    Args:
        data: the complete file.
        picture: result of the functions above.
        suffix: ".txt" for the infotext, ".jpg" for a copy.
        replace: a file of that name belongs to the picture that was replaced, and is replaced too; otherwise it stays,
            and the new one has a number at its end.

    Raises:
        OutputError: it cannot be written; nothing is left behind.
    """
    return save_unnumbered(data, picture.parent, stem=picture.stem, suffix=suffix, replace=replace)


def save_once(data: bytes, path: Path) -> None:
    """Write a file whose name says what is in it; one of that name is the same and stays.

    Raises:
        OutputError: it cannot be written; nothing is left behind.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(data, path)
    except OSError as error:
        raise _output_error(path.parent, error) from error


def next_number(folder: Path, prefix: str = "") -> int:
    """Return one more than the highest number in `folder`, 0 when there is none.

    A number is what stands before the first hyphen of a file's name, or after `prefix-`. A1111 accepts there whatever
    Python reads as a whole number (" 6 ", "+4", "1_0"); so does this, for the same numbers in a shared folder.
    """
    start = len(prefix) + 1 if prefix else 0
    highest = -1
    for entry in folder.iterdir():
        if entry.name.startswith(prefix):
            number = Path(entry.name[start:]).stem.split("-")[0]
            try:
                highest = max(highest, int(number))
            except ValueError:
                continue
    return highest + 1


def _write_numbered(data: bytes, folder: Path, *, prefix: str, digits: int, ending: str) -> Path:
    """Write `<prefix><number><ending>` with a number that was free."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number = next_number(folder, prefix.rstrip("-"))
        while True:
            try:
                return _write_new(data, folder / f"{prefix}{number:0{digits}}{ending}")
            except FileExistsError:
                number += 1  # another process took this one in the meantime
    except OSError as error:
        raise _output_error(folder, error) from error


def _output_error(folder: Path, error: OSError) -> OutputError:
    remedy = _REMEDIES.get(error.errno or 0, "Choose another output folder in the settings")
    return OutputError(f"Cannot save a picture in {folder}: {error.strerror or error}. {remedy}.")


def _write_new(data: bytes, path: Path) -> Path:
    """Write a file that does not exist yet."""
    path.touch(exist_ok=False)  # takes the name, which a rename does not: it would replace another's file
    try:
        _write_whole(data, path)
    except BaseException:  # also when the program is stopped
        path.unlink(missing_ok=True)
        raise
    return path


def _write_whole(data: bytes, path: Path) -> None:
    """Write or replace a file completely or not at all: half a picture is worse than none."""
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
