"""The embeddings in the model folders."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from weakref import WeakKeyDictionary

from modules.adapters.embedding_files import Embedding, EmbeddingFacts, read_embedding
from modules.adapters.embedding_pictures import read_embedding_picture
from modules.core.errors import ModelFileError
from modules.library.file_state import FileState, file_state
from modules.library.named_file import NamedFile
from modules.prompting.embeddings import EmbeddingNames
from modules.prompting.tokenizer import ClipTokenizer

_PICTURES = (".png", ".webp")


class EmbeddingFolder:
    """The embeddings in a folder. Used from one thread alone.

    A file is read when its vectors are first asked for. Only pictures are read beforehand: whether one holds an
    embedding, and what that is called, is not told by the file's name.
    """

    def __init__(self, files: Callable[[], Sequence[NamedFile]]) -> None:
        """Read embeddings from the files that `files` returns: the same object as long as it is the same files."""
        self._files = files
        self._listed: Sequence[NamedFile] | None = None
        self._named: Mapping[str, Path] = {}
        self._read: dict[Path, tuple[FileState | None, Embedding | ModelFileError | None]] = {}
        self._facts: dict[Path, tuple[FileState | None, EmbeddingFacts | ModelFileError]] = {}
        self._tokens = WeakKeyDictionary[ClipTokenizer, _KnownTokens]()

    def paths(self) -> Mapping[str, Path]:
        """Return the files by the names of the embeddings, as they are now.

        As long as nothing changes it is the same object.
        """
        listed = self._files()
        stale = [path for path, (state, _) in self._read.items() if file_state(path) != state]
        for path in stale:
            del self._read[path]
        if stale or listed is not self._listed:
            self._listed = listed
            self._named = self._by_name(listed)
        return self._named

    def read(self, path: Path) -> Embedding:
        """Return the embedding in a file.

        Raises:
            UnsafeFileError: a pickle that refers to more than data; nothing of it was run.
            ModelFileError: it is missing, damaged or no embedding.
        """
        found = self._known(path)
        if isinstance(found, Embedding):
            return found
        raise (found or _empty_picture(path)).with_traceback(None)

    def facts(self, path: Path) -> EmbeddingFacts:
        """Return what is known of the embedding in a file; its numbers are not kept.

        Raises:
            UnsafeFileError: as for `read`.
            ModelFileError: as for `read`.
        """
        state = file_state(path)
        if path not in self._facts or self._facts[path][0] != state:
            found = self._read[path][1] if path in self._read else _try_to_read(path)
            self._facts[path] = state, found.facts if isinstance(found, Embedding) else found or _empty_picture(path)
        facts = self._facts[path][1]
        if isinstance(facts, ModelFileError):
            raise facts.with_traceback(None)
        return facts

    def names(self, counts: Mapping[str, int], tokenizer: ClipTokenizer) -> EmbeddingNames:
        """Return what finds names in a prompt; what each name is in tokens is found out once.

        Args:
            counts: see `EmbeddingNames`.
            tokenizer: likewise.
        """
        return EmbeddingNames(counts, self._tokens.setdefault(tokenizer, _KnownTokens(tokenizer.encode)))

    def _by_name(self, files: Iterable[NamedFile]) -> dict[str, Path]:
        named: dict[str, Path] = {}
        for file in files:
            found = self._known(file.path) if _is_picture(file.path) else None
            if isinstance(found, Embedding):
                named.setdefault(found.name or file.name, file.path)
            elif found is not None or not _is_picture(file.path):
                named.setdefault(file.name, file.path)
        return named

    def _known(self, path: Path) -> Embedding | ModelFileError | None:
        if path not in self._read:
            self._read[path] = file_state(path), _try_to_read(path)
        return self._read[path][1]


def _try_to_read(path: Path) -> Embedding | ModelFileError | None:
    try:
        return read_embedding_picture(path) if _is_picture(path) else read_embedding(path)
    except ModelFileError as error:
        return error


def _empty_picture(path: Path) -> ModelFileError:
    return ModelFileError(f"“{path.name}” is a picture without an embedding.")


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in _PICTURES


class _KnownTokens:
    """Remembers the tokens of texts. To tokenise the names of ten thousand files takes seconds."""

    def __init__(self, encode: Callable[[str], Sequence[int]]) -> None:
        self._encode = encode
        self._known: dict[str, Sequence[int]] = {}

    def encode(self, text: str) -> Sequence[int]:
        if text not in self._known:
            self._known[text] = self._encode(text)
        return self._known[text]
