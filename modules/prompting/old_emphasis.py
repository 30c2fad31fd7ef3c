"""How A1111 read emphasis before 2022-09-29, still there as its option `use_old_emphasis_implementation`."""

from modules.core.settings import Emphasis
from modules.prompting.attention import ROUND_WEIGHT, bounded
from modules.prompting.chunks import CHUNK_TOKENS, EMBEDDING_TOKEN, ChunkedPrompt, EmbeddingFix, Slot, fill_up
from modules.prompting.embeddings import EmbeddingNames
from modules.prompting.tokenizer import ClipTokenizer

_RAISING, _LOWERING = "(]", ")["


def chunk_prompt_old(
    text: str, tokenizer: ClipTokenizer, *, emphasis: Emphasis = "Original", embeddings: EmbeddingNames | None = None
) -> ChunkedPrompt:
    """Make one chunk of `text`; what does not fit is left out.

    Each bracket changes the weight of all tokens behind it: `(` by 1.1, `)` by 1/1.1, `[` by 1/1.1, `]` by 1.1. Tokens
    with a bracket are left out, whatever else is in them. Numbers, backslashes, BREAK and commas mean nothing.

    Args:
        text: a prompt.
        tokenizer: the model's.
        emphasis: with "None" brackets are text.
        embeddings: names that stand for vectors instead of tokens.
    """
    slots: list[Slot] = []
    fixes: list[EmbeddingFix] = []
    weight, place = 1.0, 0
    tokens = tokenizer.encode(text)
    while place < len(tokens) and len(slots) < CHUNK_TOKENS:
        factor = 1.0 if emphasis == "None" else _factor(tokenizer.piece(tokens[place]))
        match = embeddings.at(tokens, place) if embeddings and factor == 1.0 else None
        length = match.length if match else 1
        source = range(place, place + length)
        if factor != 1.0:
            weight = bounded(weight * factor)
        elif match:
            vectors = min(match.vectors, CHUNK_TOKENS - len(slots))
            fixes.append(EmbeddingFix(offset=len(slots), name=match.name, vectors=vectors))
            slots.extend([Slot(EMBEDDING_TOKEN, weight, source, match.name)] * vectors)
        else:
            slots.append(Slot(tokens[place], weight, source, None))
        place += length
    return ChunkedPrompt(chunks=(fill_up(slots, fixes, tokenizer),), token_count=len(slots))


def _factor(piece: str) -> float:
    factor = 1.0
    for sign in piece:
        if sign in _RAISING:
            factor *= ROUND_WEIGHT
        elif sign in _LOWERING:
            factor /= ROUND_WEIGHT
    return factor
