"""CLIP's byte-pair tokenizer (arXiv:2103.00020, section 2.4), token for token as transformers' `CLIPTokenizer` and as
open_clip's `SimpleTokenizer`. Both have one vocabulary, but spell special tokens and clean texts in different ways.
"""

import html
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

import ftfy
from tokenizers import Regex, Tokenizer
from tokenizers.decoders import ByteLevel as Bytes
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split

from modules.core.errors import ModelFileError
from modules.core.paths import CONFIGS

START = "<|startoftext|>"
END = "<|endoftext|>"
COMMA = ",</w>"
END_OF_WORD = "</w>"

_BLANKS = re.compile(r"\s+")

# A contraction, a run of letters, a single digit, or a run of anything else.
_WORD = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What the two implementations do differently.

    Attributes:
        start: how a prompt can spell the start token.
        end: how it can spell the end token.
        split_first: these are found before the text is cleaned, and right behind other signs, too.
        unescape: HTML entities are always replaced, instead of only in texts without a "<".
    """

    start: str
    end: str
    split_first: bool
    unescape: bool


TRANSFORMERS = Dialect(start=START, end=END, split_first=True, unescape=False)
"""The text encoder of SD 1.x and the first one of SDXL."""

OPEN_CLIP = Dialect(start="<start_of_text>", end="<end_of_text>", split_first=False, unescape=True)
"""The text encoder of SD 2.x and the second one of SDXL."""


class ClipTokenizer:
    """Turns text into CLIP's token ids. Safe to use from several threads.

    Attributes:
        start_id: begins every chunk.
        end_id: ends every chunk.
        pad_id: fills a chunk up; the end token.
        comma_id: the token after which a chunk may be broken.
    """

    def __init__(
        self, vocabulary: dict[str, int], merges: list[tuple[str, str]], dialect: Dialect = TRANSFORMERS
    ) -> None:
        self.start_id = vocabulary[START]
        self.end_id = vocabulary[END]
        self.pad_id = self.end_id
        self.comma_id = vocabulary[COMMA]
        self._dialect = dialect
        self._special_ids = {dialect.start: self.start_id, dialect.end: self.end_id}
        special = f"(?:{re.escape(dialect.start)}|{re.escape(dialect.end)})"
        self._special = re.compile(f"({special})")
        # Signs swallow what follows them: "!<end_of_text>" is a run of signs, a word, and so on.
        self._special_word = re.compile(rf"(?<![^\w\s])(?<!_)({special}+)")
        self._bpe = Tokenizer(BPE(vocab=vocabulary, merges=merges, unk_token=END, end_of_word_suffix=END_OF_WORD))
        self._bpe.pre_tokenizer = Sequence(
            [Split(Regex(_WORD), behavior="removed", invert=True), ByteLevel(add_prefix_space=False, use_regex=False)]
        )

    @classmethod
    def from_folder(cls, folder: Path, dialect: Dialect = TRANSFORMERS) -> "ClipTokenizer":
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
        return cls(vocabulary, merges, dialect)

    def encode(self, text: str) -> list[int]:
        """Return the token ids of `text`, as many as there are, without start and end token."""
        ids: list[int] = []
        for part in self._special.split(text) if self._dialect.split_first else [text]:
            if part in self._special_ids:
                ids.append(self._special_ids[part])
            else:
                ids.extend(self._encode_clean(self._clean(part)))
        return ids

    def piece(self, token: int) -> str:
        """Return what a token stands for, without the mark of a word's end; bytes that are no text become "�"."""
        name = self._bpe.id_to_token(token) or ""
        return Bytes().decode([name.removesuffix(END_OF_WORD)])

    def _encode_clean(self, text: str) -> list[int]:
        ids: list[int] = []
        for part in self._special_word.split(text):
            if self._special_word.fullmatch(part):
                ids.extend(self._special_ids[special] for special in self._special.findall(part))
            else:
                ids.extend(self._bpe.encode(part, add_special_tokens=False).ids)
        return ids

    def _clean(self, text: str) -> str:
        """Repair mojibake and stray HTML entities, join blanks, lower the case: what CLIP was trained on."""
        text = ftfy.fix_text(text)
        if self._dialect.unescape:
            text = html.unescape(html.unescape(text))
        return _BLANKS.sub(" ", text).strip().lower()


@cache
def shipped_tokenizer() -> ClipTokenizer:
    """Return the tokenizer of SD 1.x, whose vocabulary comes with the project."""
    return ClipTokenizer.from_folder(CONFIGS / "clip")


@cache
def shipped_open_clip_tokenizer() -> ClipTokenizer:
    """Return the tokenizer of SD 2.x and of SDXL's second text encoder, with the same vocabulary."""
    return ClipTokenizer.from_folder(CONFIGS / "clip", OPEN_CLIP)


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
