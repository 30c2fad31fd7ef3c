"""Texts that remember where in the prompt each of their characters comes from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedText:
    """Part of a prompt after something was cut out or replaced.

    Attributes:
        text: what is left.
        origins: for each character, and for the end of the text, its place in the prompt.
    """

    text: str
    origins: Sequence[int]

    @classmethod
    def of(cls, prompt: str) -> "TracedText":
        """Return the whole prompt."""
        return cls(text=prompt, origins=range(len(prompt) + 1))

    def picked(self, spans: Iterable[range]) -> "TracedText":
        """Return what lies in `spans`, joined."""
        kept = list(spans)
        end = kept[-1].stop if kept else 0
        return TracedText(
            text="".join(self.text[span.start : span.stop] for span in kept),
            origins=[*(self.origins[place] for span in kept for place in span), self.origins[end]],
        )

    def replaced(self, spans: Iterable[range], replacement: str) -> "TracedText":
        """Return the text with `replacement` in place of each of `spans`."""
        pieces: list[str] = []
        origins: list[int] = []
        place = 0
        for span in spans:
            pieces += self.text[place : span.start], replacement
            origins += self.origins[place : span.start]
            origins += [self.origins[span.start]] * len(replacement)
            place = span.stop
        return TracedText(text="".join((*pieces, self.text[place:])), origins=[*origins, *self.origins[place:]])

    def place(self, span: range) -> range:
        """Return which characters of the prompt the characters in `span` come from, first to last."""
        if not span:
            return range(self.origins[span.start], self.origins[span.start])
        return range(self.origins[span.start], self.origins[span.stop - 1] + 1)
