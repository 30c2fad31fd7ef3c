"""Texts as somebody may type them into the prompt's box, by chance or on purpose."""

from dataclasses import dataclass

from hypothesis import strategies as st

from modules.prompting.embeddings import EmbeddingNames
from modules.prompting.tokenizer import shipped_tokenizer
from tests.properties import texts_of

TOKENIZER = shipped_tokenizer()
EMBEDDINGS = EmbeddingNames({"style": 3, "bad prompt": 4, "huge": 80}, TOKENIZER)
NETWORKS = {"lora": {"x"}, "hypernet": set[str]()}
MAX_CHARACTERS = 100_000

PIECES = [
    *"()[]:|\\<>#,=._+-019aé日😀\n\t\0\ud83d\u2028\xa0\x1f",
    *["AND", "BREAK", "and", " ", "::", ":1.3)", ":-1", ":0.5]", "1e9", "9" * 400, "٣", "\\["],
    *["[a:b:3]", "[a|b]", "[a||b]", "<lora:x:1>", "<lora:", "te=0.5", "style", "bad prompt", "huge", "{prompt}"],
    *["cat, ", "cat " * 30, "&amp;lt;", "Ã©", "<|endoftext|>", "<end_of_text>"],
]
"""What the grammars look for, what may be taken for it, and what is hard to encode."""

texts = texts_of(PIECES)


@dataclass(frozen=True, kw_only=True)
class Long:
    """A text of about 100,000 characters, told in few."""

    opening: str
    inner: str = ""
    closing: str = ""

    @property
    def text(self) -> str:
        times = MAX_CHARACTERS // len(self.opening + self.closing)
        return self.opening * times + self.inner + self.closing * times


long_texts = st.builds(
    Long,
    opening=st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("".join),
    inner=texts.map(lambda text: text[:50]),
) | st.builds(
    Long,
    opening=st.sampled_from(["(", "[", "[a:", "[a|", "[a:b|", "([", "\\(", "<a:"]),
    inner=texts.map(lambda text: text[:50]),
    closing=st.sampled_from([")", "]", ":3]", "|b]", ":1.2)", "])", ":0.5:1]", ">"]),
)
