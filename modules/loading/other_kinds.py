"""What to say of a file that is not what it was taken for."""

from collections.abc import Iterable

from modules.core.errors import ModelFileError
from modules.library.kinds import FOR_PEOPLE, ModelKind, kind_of_names


def other_kind(file: str, names: Iterable[str], *, expected: ModelKind, fault: str) -> ModelFileError:
    """Return an error that says what `file` is, or if that is unknown, what is wrong with it.

    Args:
        file: its name.
        names: of its tensors.
        expected: what it was taken for.
        fault: why it is none of these, as it stands behind "it".
    """
    kind = kind_of_names("\n".join(names))
    wanted = FOR_PEOPLE[expected]
    if kind in (expected, ModelKind.UNKNOWN):
        return ModelFileError(f"“{file}” cannot be used as {wanted}: it {fault}. Choose another file.")
    return ModelFileError(f"“{file}” is {FOR_PEOPLE[kind]}, not {wanted}. Move it to the folder for such files.")
