"""What a hostile file of the table is."""

from collections.abc import Callable
from dataclasses import dataclass

SENTINEL = "code-was-run"
"""What the code in hostile files would make, in the folder that the process runs in."""

COMMAND = f"touch {SENTINEL}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostileFile:
    """A file that somebody may send us.

    Attributes:
        name: says what is wrong with it; unique.
        make: returns its bytes.
        suffix: ending of its name.
        code: the global that it asks for, when it asks for code.
        fault: what the error for it says (a regular expression), when it is refused for another reason. Files with
            neither are readable and only tempt a reader to do more than reading.
    """

    name: str
    make: Callable[[], bytes]
    suffix: str = ".ckpt"
    code: str = ""
    fault: str = ""
