"""Textual inversion (arXiv:2208.01618): vectors that stand in a prompt under the name of their file."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from modules.adapters.embedding_files import ONLY, Embedding, EmbeddingFacts
from modules.adapters.embedding_folder import EmbeddingFolder
from modules.conditioning.encode import TextEncoder
from modules.core.errors import ModelFileError
from modules.prompting.embeddings import EmbeddingNames

HASH_DIGITS = 12
"""Of the sha256 of an embedding's file, in infotexts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingList:
    """All embeddings, by name.

    Attributes:
        loaded: those that fit the model.
        skipped: those that do not.
        damaged: why others cannot be read, as sentences.
    """

    loaded: Mapping[str, EmbeddingFacts]
    skipped: Mapping[str, EmbeddingFacts]
    damaged: Mapping[str, str]


class NamedEmbeddings:
    """The embeddings that texts may name for one model; see `conditioning.encode.Embeddings`.

    They stay what they are: when files change, `ModelEmbeddings` makes another object of this class. So it can be a key
    for what was made with it.
    """

    def __init__(
        self,
        folder: EmbeddingFolder,
        paths: Mapping[str, Path],
        bundled: Mapping[str, Embedding],
        encoders: Sequence[TextEncoder],
    ) -> None:
        self._folder = folder
        self._bundled = bundled
        self._paths = {name: path for name, path in paths.items() if name not in bundled}
        self._encoders = encoders
        self._found: dict[str, Embedding | str] = {}
        counts = _Counts((*self._bundled, *self._paths), self._count)
        self._names = tuple(folder.names(counts, encoder.tokenizer) for encoder in encoders)

    def names(self, encoder: int) -> EmbeddingNames:
        """Return what finds them among the tokens of a text encoder, 0 for the first one."""
        return self._names[encoder]

    def vectors(self, name: str, encoder: int) -> Tensor:
        """Return the vectors [V,D] of an embedding for a text encoder, float32 on the CPU.

        Raises:
            KeyError: there is none of this name, or it cannot be used with this model.
        """
        found = self._find(name)
        if isinstance(found, str):
            raise KeyError(name)
        return found.parts[self._part(encoder)]

    def problem(self, name: str) -> str | None:
        """Return why an embedding cannot be used, as a sentence for people; None if it can."""
        found = self._find(name)
        return found if isinstance(found, str) else None

    def path(self, name: str) -> Path | None:
        """Return the file of an embedding, None for one that came with an adapter."""
        return self._paths.get(name)

    def all(self) -> EmbeddingList:
        """Read all files, which may take long, and say what is in them."""
        loaded, skipped = dict[str, EmbeddingFacts](), dict[str, EmbeddingFacts]()
        damaged: dict[str, str] = {}
        for name in (*self._bundled, *self._paths):
            try:
                bundled = self._bundled.get(name)
                facts = bundled.facts if bundled else self._folder.facts(self._paths[name])
            except ModelFileError as error:
                damaged[name] = str(error)
            else:
                (skipped if self._misfit(name, facts) else loaded)[name] = facts
        return EmbeddingList(loaded=loaded, skipped=skipped, damaged=damaged)

    def _count(self, name: str) -> int:
        found = self._find(name)
        return 0 if isinstance(found, str) else found.facts.count

    def _find(self, name: str) -> Embedding | str:
        """Return an embedding that can be used, or why it cannot."""
        if name not in self._found:
            try:
                embedding = self._bundled.get(name) or self._folder.read(self._paths[name])
                self._found[name] = self._misfit(name, embedding.facts) or embedding
            except ModelFileError as error:
                self._found[name] = f"{error} Its name was read as plain text."
        return self._found[name]

    def _misfit(self, name: str, facts: EmbeddingFacts) -> str | None:
        """Return why the vectors are none of this model's, None if they are."""
        wanted = {self._part(number): encoder.width for number, encoder in enumerate(self._encoders)}
        if facts.widths == wanted:
            return None
        path = self._paths.get(name)
        return (
            f"The embedding “{path.name if path else name}” is for another kind of model: its vectors have "
            f"{_numbers(facts.widths)}, those of this checkpoint {_numbers(wanted)}. Its name was read as plain text."
        )

    def _part(self, encoder: int) -> str:
        return ONLY if len(self._encoders) == 1 else self._encoders[encoder].embedding_key


class _Counts(Mapping[str, int]):
    """How many vectors each embedding has, 0 for those that cannot be used; found out when it is asked for."""

    def __init__(self, names: Sequence[str], count: Callable[[str], int]) -> None:
        self._names = names
        self._count = count

    def __getitem__(self, name: str) -> int:
        return self._count(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _numbers(widths: Mapping[str, int]) -> str:
    return " and ".join(f"{width}" for width in widths.values()) + " numbers"


class ModelEmbeddings:
    """What embeddings there are for a loaded model. Used from one thread alone."""

    def __init__(self, folder: EmbeddingFolder, encoders: Sequence[TextEncoder]) -> None:
        """Make embeddings of `folder` usable for a model's text encoders."""
        self._folder = folder
        self._encoders = tuple(encoders)
        self._known: tuple[Mapping[str, Path], Mapping[str, Embedding], NamedEmbeddings] | None = None

    def now(self, bundled: Mapping[str, Embedding] | None = None) -> NamedEmbeddings:
        """Return those that texts may name now; the same object as long as nothing changes.

        Args:
            bundled: embeddings that came with adapters, by name; they win over files of the same name.
        """
        paths, bundled = self._folder.paths(), bundled or {}
        if self._known is None or self._known[0] is not paths or self._known[1] != bundled:
            named = NamedEmbeddings(self._folder, paths, bundled, self._encoders)
            self._known = paths, bundled, named
        return self._known[2]


def infotext_hashes(calls: Iterable[Sequence[str]], hash_of: Callable[[str], str | None]) -> str:
    """Return the value of the infotext's "TI hashes": "name: 12 digits, …"; empty if nothing is to be said.

    As A1111 writes it: each call of a text encoder puts what it used before what those before it used, and bundled
    embeddings, which have no hash, are not mentioned.

    Args:
        calls: names of the embeddings used by each text encoder for each text, in the order of the calls: those of the
            negative prompt first.
        hash_of: the sha256 of an embedding's file, None if it has no file.
    """
    hashes: list[str] = []
    for names in calls:
        known = [(name.replace(":", "").replace(",", ""), hash_of(name)) for name in names]
        hashes[:0] = [f"{name}: {sha256[:HASH_DIGITS]}" for name, sha256 in known if sha256]
    return ", ".join(hashes)
