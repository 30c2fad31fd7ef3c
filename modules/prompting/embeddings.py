"""Where a prompt names textual inversion embeddings (arXiv:2208.01618)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol


class Tokenizer(Protocol):
    """Makes tokens of texts."""

    def encode(self, text: str) -> Sequence[int]:
        """Return the token ids of `text`, without start and end token."""
        ...


class EmbeddingMatch(NamedTuple):
    """An embedding that a prompt names.

    Attributes:
        name: as its file is called.
        vectors: how many places of a chunk it takes.
        length: how many of the prompt's tokens are its name.
    """

    name: str
    vectors: int
    length: int


class EmbeddingNames:
    """Finds the names of embeddings among the tokens of a prompt.

    As in A1111, names are compared as tokens. So upper and lower case are one, a name may have blanks, brackets of a
    name are escaped in the prompt, and a name is also found where a longer text begins with its tokens.
    """

    def __init__(self, vectors: Mapping[str, int], tokenizer: Tokenizer) -> None:
        """Remember names.

        Args:
            vectors: how many vectors each embedding has, 0 for those that cannot be used; looked up when a text names
                one. Of names with equal tokens the first one that can be used counts.
            tokenizer: the one that the prompt's tokens are from.
        """
        self._vectors = vectors
        self._by_first: dict[int, dict[tuple[int, ...], list[str]]] = {}
        for name in vectors:
            tokens = tuple(tokenizer.encode(name))
            if tokens:
                self._by_first.setdefault(tokens[0], {}).setdefault(tokens, []).append(name)
        self._lengths = {
            first: sorted({len(tokens) for tokens in names}, reverse=True) for first, names in self._by_first.items()
        }

    def at(self, tokens: Sequence[int], place: int) -> EmbeddingMatch | None:
        """Return the embedding with the longest name that begins at `tokens[place]`, None if there is none."""
        for name, length in self._named_at(tokens, place):
            vectors = self._vectors[name]
            if vectors > 0:
                return EmbeddingMatch(name=name, vectors=vectors, length=length)
        return None

    def unusable(self, tokens: Sequence[int]) -> list[str]:
        """Return the embeddings that `tokens` name and that cannot be used, each once."""
        named = (name for place in range(len(tokens)) for name, _ in self._named_at(tokens, place))
        return list(dict.fromkeys(name for name in named if self._vectors[name] == 0))

    def _named_at(self, tokens: Sequence[int], place: int) -> Iterator[tuple[str, int]]:
        """Yield names that begin at `tokens[place]` with the number of their tokens, the longest one first."""
        names = self._by_first.get(tokens[place])
        if names is not None:
            for length in self._lengths[tokens[place]]:
                for name in names.get(tuple(tokens[place : place + length]), ()):
                    yield name, length
