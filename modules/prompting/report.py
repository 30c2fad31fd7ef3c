"""What the prompt inspector finds out about a prompt. Plain data, which the page and the API show."""

from dataclasses import dataclass

from modules.prompting.chunks import EmbeddingFix, TokenCount
from modules.prompting.extra_networks import NetworkTag


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Lint:
    """Something that is probably not what was meant.

    Attributes:
        start: where it begins in the prompt, in characters.
        stop: where it ends.
        rule: which kind of lint, for instance "unclosed-bracket".
        message: a sentence for the person.
    """

    start: int
    stop: int
    rule: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedToken:
    """A token of a chunk.

    Attributes:
        piece: the text it stands for; of an embedding's vector the embedding's name.
        id: its number in the vocabulary.
        weight: how strongly it counts.
        position: in the chunk, 1..75.
        start: where the word it belongs to begins in the prompt, in characters.
        stop: where that word ends.
        embedding: whose vector it stands for.
    """

    piece: str
    id: int
    weight: float
    position: int
    start: int
    stop: int
    embedding: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedChunk:
    """A chunk without its start, end and padding tokens.

    Attributes:
        tokens: at most 75.
        fixes: where vectors of embeddings are put.
        broken: BREAK ended it.
    """

    tokens: tuple[InspectedToken, ...]
    fixes: tuple[EmbeddingFix, ...]
    broken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedText:
    """A text that is encoded.

    Attributes:
        text: in the emphasis grammar.
        token_count: as A1111 counts.
        chunks: at least one.
    """

    text: str
    token_count: int
    chunks: tuple[InspectedChunk, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedStage:
    """Steps that have the same text.

    Attributes:
        first: step of the pass, from 1.
        until: the last one.
        text: number of the text in `PromptReport.texts`, None where the prompt becomes too many texts to look at.
    """

    first: int
    until: int
    text: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedPart:
    """What stands between two ANDs; a negative prompt has one part.

    Attributes:
        text: as typed, without comments, tags and weight.
        weight: how strongly it guides beside the others.
        stages: what it says in the first pass, empty if only the second pass has this prompt.
        hires_stages: what it says in the second pass, empty if there is none.
    """

    text: str
    weight: float
    stages: tuple[InspectedStage, ...]
    hires_stages: tuple[InspectedStage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptReport:
    """All about a prompt.

    Attributes:
        parts: at least one.
        texts: each text that is encoded, once.
        count: tokens of the longest text, as A1111 counts.
        networks: tags of extra networks; `start` and `stop` are places in the prompt.
        unresolved: those of them whose network is not there, as "lora:name".
        lints: in the order of their places.
    """

    parts: tuple[InspectedPart, ...]
    texts: tuple[InspectedText, ...]
    count: TokenCount
    networks: tuple[NetworkTag, ...]
    unresolved: tuple[str, ...]
    lints: tuple[Lint, ...]
