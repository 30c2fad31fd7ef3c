"""Where a prompt names textual inversion embeddings (arXiv:2208.01618)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from modules.prompting.tokenizer import ClipTokenizer


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

    def __init__(self, vectors: Mapping[str, int], tokenizer: ClipTokenizer) -> None:
        """Remember names.

        Args:
            vectors: how many vectors each embedding has; of names with equal tokens the first one counts.
            tokenizer: the one that the prompt's tokens are from.
        """
        self._by_first: dict[int, dict[tuple[int, ...], EmbeddingMatch]] = {}
        for name, count in vectors.items():
            tokens = tuple(tokenizer.encode(name))
            if tokens and count > 0:
                match = EmbeddingMatch(name=name, vectors=count, length=len(tokens))
                self._by_first.setdefault(tokens[0], {}).setdefault(tokens, match)
        self._lengths = {
            first: sorted({len(tokens) for tokens in names}, reverse=True) for first, names in self._by_first.items()
        }

    def at(self, tokens: Sequence[int], place: int) -> EmbeddingMatch | None:
        """Return the embedding with the longest name that begins at `tokens[place]`, None if there is none."""
        names = self._by_first.get(tokens[place])
        if names is None:
            return None
        candidates = (names.get(tuple(tokens[place : place + length])) for length in self._lengths[tokens[place]])
        return next((match for match in candidates if match is not None), None)
