"""How a picture of another program was made, in the words of our infotexts, and how faithful each word is."""

from dataclasses import dataclass
from pathlib import PureWindowsPath
from typing import Literal

from modules.core.parameters import MAX_SEED
from modules.imaging.foreign_samplers import Match
from modules.imaging.infotext import write_infotext

How = Literal["mapped", "approximated", "ignored"]

MAXIMUM_TEXT = 100_000  # characters of a prompt
MAXIMUM_SHOWN = 500  # characters of a value that is shown in a table
MAXIMUM_ROWS = 200

_TAG_MARKS = frozenset("<>:\n")
_MAXIMUM_NAME = 300
_MAXIMUM_VALUE = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """What became of one thing that the other program says.

    Attributes:
        source: what it is called there.
        value: what it is there, cut to a length that can be shown.
        target: the infotext's key, or "Prompt" or "Negative prompt"; empty when it was ignored.
        how: whether it means the same here, nearly the same, or nothing.
        note: why, if that is not plain.
    """

    source: str
    value: str
    target: str
    how: How
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignRecipe:
    """How a picture of another program was made.

    Attributes:
        program: its name.
        infotext: as much of it as our infotexts can say.
        rows: what became of each part.
    """

    program: str
    infotext: str
    rows: tuple[Mapped, ...]


class RecipeDraft:
    """Collects what is said, together with what became of it.

    Attributes:
        prompt: of the picture.
        negative_prompt: of the picture.
    """

    def __init__(self, program: str) -> None:
        self._program = program
        self._fields: dict[str, str | int | float] = {}
        self._networks: list[str] = []
        self._rows: list[Mapped] = []
        self.prompt = ""
        self.negative_prompt = ""

    def write(
        self,
        key: str,
        value: str | float | None,
        source: str,
        *,
        said: object = None,
        note: str = "",
    ) -> None:
        """Write a field, unless its value is None.

        Args:
            key: of the infotext.
            value: in our words.
            source: what the other program calls it.
            said: in its words, where they differ.
            note: how it differs from what was meant; without one it means the same.
        """
        if value is None:
            return
        if isinstance(value, str):
            value = value.strip()[:_MAXIMUM_VALUE]
        self._fields[key] = value
        self._row(source, value if said is None else said, key, _how(note), note)

    def write_prompt(self, text: str, source: str, *, negative: bool = False, note: str = "") -> None:
        """Write one of the two prompts; see `write`."""
        text = text.strip()[:MAXIMUM_TEXT]
        if not text:
            return
        if negative:
            self.negative_prompt = text
        else:
            self.prompt = text
        self._row(source, text, "Negative prompt" if negative else "Prompt", _how(note), note)

    def write_match(self, key: str, match: Match | None, source: str, name: str | None) -> None:
        """Write a sampler or a schedule type that is called `name` there; None for `match` if it is not known here."""
        if match is not None:
            self.write(key, match.label, source, said=name, note=match.note)
        elif name is not None:
            self.ignore(source, name, "Not known here.")

    def write_seed(self, seed: int | None, *, note: str) -> None:
        """Write a seed, which never means quite the same: no other program draws all of its noise as we do."""
        if seed is None:
            return
        # Generators take 64 bits; ours are signed, and the seed is the same.
        self.write(
            "Seed",
            seed - 2**64 if MAX_SEED < seed < 2**64 - 1 else seed,
            "seed",
            said=seed,
            note=note,
        )

    def write_size(self, width: int | None, height: int | None, source: str, *, key: str = "Size") -> None:
        """Write a size in px."""
        if width and height:
            self.write(key, f"{width}x{height}", source)

    def add_lora(self, file: str, unet: float, text_encoder: float | None, source: str) -> None:
        """Add a LoRA to the prompt.

        Args:
            file: its name, perhaps with folders and an extension.
            unet: strength.
            text_encoder: strength; None for the same.
            source: what names it.
        """
        name = stem(file)
        if not name or _TAG_MARKS & set(name):
            self.ignore(source, file, "A prompt cannot name a file like this.")
            return
        strengths = [unet] if text_encoder is None or text_encoder == unet else [text_encoder, unet]
        tag = f"<lora:{name}:{':'.join(f'{strength:g}' for strength in strengths)}>"
        self._networks.append(tag)
        self._row(source, file, "Prompt", "mapped", tag)

    def ignore(self, source: str, value: object, note: str = "") -> None:
        """Tell of something that has no counterpart here."""
        self._row(source, value, "", "ignored", note)

    def finish(self) -> ForeignRecipe | None:
        """Return the recipe, None when too little was found to speak of one."""
        if not self._fields or not (self.prompt or len(self._fields) > 2):
            return None
        prompt = " ".join(part for part in (self.prompt, *self._networks) if part)
        return ForeignRecipe(
            program=self._program,
            infotext=write_infotext(prompt, self.negative_prompt, self._fields),
            rows=tuple(self._rows[:MAXIMUM_ROWS]),
        )

    def _row(self, source: str, value: object, target: str, how: How, note: str) -> None:
        shown = f"{value:g}" if isinstance(value, float) else str(value)
        cut = shown if len(shown) <= MAXIMUM_SHOWN else f"{shown[:MAXIMUM_SHOWN]}…"
        self._rows.append(Mapped(source=source[:MAXIMUM_SHOWN], value=cut, target=target, how=how, note=note))


def _how(note: str) -> How:
    return "approximated" if note else "mapped"


def stem(file: str) -> str:
    """Return a model file's name without folders and extension, wherever it was written."""
    path = PureWindowsPath(file[:_MAXIMUM_NAME])  # knows both slashes
    known = path.suffix.lower() in (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".sft", ".gguf")
    return path.stem if known else path.name


def file_name(file: str) -> str:
    """Return a model file's name without folders, wherever it was written."""
    return PureWindowsPath(file[:_MAXIMUM_NAME]).name
