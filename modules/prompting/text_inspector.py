"""Looks at single texts on their way to the text encoder: their chunks, their tokens, and where these come from."""

import re
from collections.abc import Iterator

from modules.core.settings import Emphasis
from modules.prompting.attention import BREAK, BREAK_WEIGHT, attention_spans
from modules.prompting.chunks import ChunkFiller, FilledChunk
from modules.prompting.embeddings import EmbeddingNames
from modules.prompting.report import InspectedChunk, InspectedText, InspectedToken
from modules.prompting.tokenizer import ClipTokenizer
from modules.prompting.traced import TracedText

_WORD = re.compile(r"\S+")


class TextInspector:
    """Inspects texts of one prompt."""

    def __init__(
        self, tokenizer: ClipTokenizer, *, backtrack: int, emphasis: Emphasis, embeddings: EmbeddingNames | None
    ) -> None:
        """Remember how texts are read; see `chunk_prompt`."""
        self._tokenizer = tokenizer
        self._backtrack = backtrack
        self._emphasis: Emphasis = emphasis
        self._embeddings = embeddings
        self._words: dict[str, list[int]] = {}

    def inspect(self, text: TracedText) -> InspectedText:
        """Return the chunks that `chunk_prompt` makes of `text`, with the place of each token in the prompt."""
        filler = ChunkFiller(comma=self._tokenizer.comma_id, backtrack=self._backtrack, embeddings=self._embeddings)
        places: list[range] = []
        for piece, weight in self._pieces(text):
            if (piece.text, weight) == (BREAK, BREAK_WEIGHT):
                filler.close()
            else:
                tokens = self._tokenizer.encode(piece.text)
                filler.add(tokens, 1.0 if self._emphasis == "Ignore" else weight)
                places += self._places(piece, tokens)
        chunks, count = filler.finish()
        return InspectedText(
            text=text.text, token_count=count, chunks=tuple(self._inspected(chunk, places) for chunk in chunks)
        )

    def _pieces(self, text: TracedText) -> Iterator[tuple[TracedText, float]]:
        if self._emphasis == "None":
            yield text, 1.0
        else:
            for spans, weight in attention_spans(text.text):
                yield text.picked(spans), weight

    def _places(self, piece: TracedText, tokens: list[int]) -> list[range]:
        """Return for each of a piece's tokens the place of its word in the prompt.

        Where words do not make the same tokens one by one (mojibake may have blanks in it) it is the whole piece's.
        """
        words = list(_WORD.finditer(piece.text))
        encoded = [self._encode_word(word[0]) for word in words]
        if [token for word in encoded for token in word] != tokens:
            return [piece.place(range(len(piece.text)))] * len(tokens)
        return [piece.place(range(*word.span())) for word, ids in zip(words, encoded, strict=True) for _ in ids]

    def _encode_word(self, word: str) -> list[int]:
        if word not in self._words:
            self._words[word] = self._tokenizer.encode(word)
        return self._words[word]

    def _inspected(self, chunk: FilledChunk, places: list[range]) -> InspectedChunk:
        tokens = tuple(
            InspectedToken(
                piece=slot.embedding or self._tokenizer.piece(slot.token),
                id=slot.token,
                weight=slot.weight,
                position=position,
                start=places[slot.source.start].start,
                stop=places[slot.source.stop - 1].stop,
                embedding=slot.embedding,
            )
            for position, slot in enumerate(chunk.slots, start=1)
        )
        return InspectedChunk(tokens=tokens, fixes=chunk.fixes, broken=chunk.broken)
