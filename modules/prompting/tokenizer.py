"""CLIP's byte-pair tokenizer (arXiv:2103.00020, section 2.4), token for token as transformers' `CLIPTokenizer`."""

import json
import re
from functools import cache
from pathlib import Path
from typing import cast

import ftfy
from tokenizers import Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split

from modules.core.errors import ModelFileError
from modules.core.paths import CONFIGS

START = "<|startoftext|>"
END = "<|endoftext|>"
COMMA = ",</w>"

_SPECIAL = re.compile(f"({re.escape(START)}|{re.escape(END)})")
_BLANKS = re.compile(r"\s+")

# A contraction, a run of letters, a single digit, or a run of anything else.
_WORD = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"


class ClipTokenizer:
    """Turns text into CLIP's token ids. Safe to use from several threads.

    Attributes:
        start_id: begins every chunk.
        end_id: ends every chunk.
        pad_id: fills a chunk up; CLIP uses the end token.
        comma_id: the token after which a chunk may be broken.
    """

    def __init__(self, vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> None:
        self.start_id = vocabulary[START]
        self.end_id = vocabulary[END]
        self.pad_id = self.end_id
        self.comma_id = vocabulary[COMMA]
        self._bpe = Tokenizer(BPE(vocab=vocabulary, merges=merges, unk_token=END, end_of_word_suffix="</w>"))
        self._bpe.pre_tokenizer = Sequence(
            [Split(Regex(_WORD), behavior="removed", invert=True), ByteLevel(add_prefix_space=False, use_regex=False)]
        )
        self._bpe.add_special_tokens([START, END])  # pyright: ignore[reportUnknownMemberType]  # bare `list` in the stub

    @classmethod
    def from_folder(cls, folder: Path) -> "ClipTokenizer":
        """Read `vocab.json` and `merges.txt` from a tokenizer folder in the layout of transformers.

        Raises:
            ModelFileError: a file is missing or is not a CLIP vocabulary.
        """
        try:
            vocabulary = _parse_vocabulary((folder / "vocab.json").read_text(encoding="utf-8"))
            merges = _parse_merges((folder / "merges.txt").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ModelFileError(f"The tokenizer in {folder} cannot be read: {error}.") from error
        needed = {START, END, COMMA}.union(*((left, right, left + right) for left, right in merges))
        unknown = needed - vocabulary.keys()
        if unknown:
            raise ModelFileError(f"{folder / 'vocab.json'} is no CLIP vocabulary: it lacks “{min(unknown)}”.")
        return cls(vocabulary, merges)

    def encode(self, text: str) -> list[int]:
        """Return the token ids of `text`, as many as there are, without start and end token."""
        parts = (part if part in (START, END) else _clean(part) for part in _SPECIAL.split(text))
        return self._bpe.encode(" ".join(parts), add_special_tokens=False).ids


@cache
def shipped_tokenizer() -> ClipTokenizer:
    """Return the tokenizer of SD 1.x, whose vocabulary comes with the project."""
    return ClipTokenizer.from_folder(CONFIGS / "clip")


def _clean(text: str) -> str:
    """Repair mojibake and stray HTML entities, join blanks, lower the case: what CLIP was trained on."""
    return _BLANKS.sub(" ", ftfy.fix_text(text)).strip().lower()


def _parse_vocabulary(text: str) -> dict[str, int]:
    data: object = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError("vocab.json is not a table of tokens")  # noqa: TRY004  # one kind of error for a bad file
    table = cast("dict[str, object]", data)
    if not all(isinstance(number, int) for number in table.values()):
        raise ValueError("vocab.json has a token without a number")
    return cast("dict[str, int]", table)


def _parse_merges(text: str) -> list[tuple[str, str]]:
    """One merge per line after an optional version line. Not `splitlines`: a token may hold an exotic line break."""
    lines = text.strip().split("\n")
    merges: list[tuple[str, str]] = []
    for line in lines[1:] if lines[0].startswith("#version") else lines:
        left, separator, right = line.partition(" ")
        if not separator:
            raise ValueError(f"merges.txt has a line that is no merge: {line!r}")
        merges.append((left, right))
    return merges
