"""What is true of every text that somebody may type: no prompt raises, and each can be followed to its tokens."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modules.core.errors import InvalidRequest
from modules.core.settings import Emphasis
from modules.prompting.attention import attention_spans, parse_attention
from modules.prompting.chunks import CHUNK_TOKENS, ChunkedPrompt, chunk_prompt, count_tokens
from modules.prompting.comments import strip_comments
from modules.prompting.composition import split_composition
from modules.prompting.embeddings import EmbeddingNames
from modules.prompting.extra_networks import parse_networks
from modules.prompting.inspector import Reading, inspect_prompt
from modules.prompting.matrix import MAX_OPTIONS, matrix_prompts
from modules.prompting.old_emphasis import chunk_prompt_old
from modules.prompting.schedule import Clock, ScheduleWriter, prompt_schedule
from modules.prompting.schedule_grammar import read_schedule
from modules.prompting.styles import StylesFileError, apply_styles, read_styles
from modules.prompting.tokenizer import ClipTokenizer, shipped_open_clip_tokenizer, shipped_tokenizer
from tests.prompting.typed_texts import EMBEDDINGS, MAX_CHARACTERS, NETWORKS, TOKENIZER, Long, long_texts, texts
from tests.properties import examples

TOKENIZERS = [shipped_tokenizer(), shipped_open_clip_tokenizer()]
VOCABULARY = range(49408)


def picked(text: str, spans: Sequence[range]) -> str:
    return "".join(text[span.start : span.stop] for span in spans)


def in_order(spans: Sequence[range]) -> bool:
    """Whether none of the spans reaches into the next one."""
    return all(left.stop <= right.start for left, right in pairwise(spans))


@given(texts)
@examples(400)
def test_attention_divides_a_text_into_stretches_of_finite_weights(text: str) -> None:
    pieces, places = parse_attention(text), attention_spans(text)
    assert pieces
    assert all(math.isfinite(piece.weight) for piece in pieces)
    assert all(left.weight != right.weight for left, right in pairwise(pieces))
    assert [piece.text for piece in pieces] == [picked(text, place.spans) for place in places]
    assert in_order([span for place in places for span in place.spans])


@given(texts.map(lambda text: re.sub(r"[\\()\[\]]|BREAK", "", text)))
@examples(100)
def test_a_text_without_marks_of_attention_is_itself(text: str) -> None:
    assert parse_attention(text) == [(text, 1.0)]


@given(text=texts, steps=st.integers(1, 50), hires_steps=st.none() | st.integers(1, 50), old=st.booleans())
@example(text="[a:b:3\x1f]", steps=5, hires_steps=None, old=False)
@examples(400)
def test_a_schedule_has_a_text_for_each_step(text: str, steps: int, hires_steps: int | None, *, old: bool) -> None:
    stages = prompt_schedule(text, steps, hires_steps=hires_steps, use_old_scheduling=old)
    clock = Clock.of_pass(steps, hires_steps, use_old_scheduling=old)
    assert [0, *(stage.until for stage in stages)] == sorted({0, *(stage.until for stage in stages)})
    assert stages[-1].until == clock.steps
    writer = ScheduleWriter(read_schedule(text), clock)
    for stage in stages:
        spans = writer.spans(stage.until)
        assert stage.text == picked(text, spans)
        assert in_order(spans)


@given(texts.map(lambda text: text.replace("[", "")))
@examples(100)
def test_a_text_without_square_brackets_never_changes(text: str) -> None:
    assert prompt_schedule(text, 7) == ((7, text),)


@given(texts)
@example(":-1\x1f")
@examples(300)
def test_parts_of_a_composition_stand_where_they_say(text: str) -> None:
    parts = split_composition(text)
    assert len(parts) == 1 + len(re.findall(r"\bAND\b", text))
    assert all(math.isfinite(part.weight) for part in parts)
    spans = [range(part.start, part.start + len(part.text)) for part in parts]
    assert [picked(text, [span]) for span in spans] == [part.text for part in parts]
    assert in_order(spans)


@given(texts)
@examples(300)
def test_tags_and_what_they_leave_make_the_text(text: str) -> None:
    rest, tags = parse_networks(text)
    whole, place = "", 0
    for tag in tags:
        between = tag.start - len(whole)
        whole += rest[place : place + between] + f"<{tag.kind}:{':'.join(tag.items)}>"
        place += between
        assert len(whole) == tag.stop
        assert tag.name in ("", *tag.items)
        assert all(f"{key}={value}" in tag.items for key, value in tag.named.items())
    assert whole + rest[place:] == text


@given(texts)
@examples(200)
def test_no_comment_is_left(text: str) -> None:
    assert "#" not in strip_comments(text)
    plain = text.replace("#", "")
    assert strip_comments(plain) == plain


@given(text=texts.filter(lambda text: text.count("|") <= 4), at_start=st.booleans())
@examples(100)
def test_a_prompt_matrix_has_each_choice_of_options(text: str, *, at_start: bool) -> None:
    prompts = matrix_prompts(text, delimiter=", ", at_start=at_start)
    assert len(prompts) == 2 ** text.count("|")
    assert prompts[0] == text.split("|", maxsplit=1)[0]


@given(st.integers(MAX_OPTIONS + 1, MAX_CHARACTERS))
@examples(5)
def test_a_prompt_matrix_has_a_limit(options: int) -> None:
    with pytest.raises(InvalidRequest):
        matrix_prompts("|" * options, delimiter=", ", at_start=False)


@given(texts, st.lists(texts, max_size=3))
@examples(200)
def test_styles_keep_what_was_typed(text: str, parts: list[str]) -> None:
    assert text.strip() in apply_styles(text, parts)


@given(
    st.binary(max_size=60) | st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b"\0", b"name", b"x"])).map(b"".join)
)
@example(b"\xef\xbb\xbfname,prompt\na")
@examples(150)
def test_any_file_may_be_called_styles(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "styles.csv"
    file.write_bytes(content)
    try:
        styles = read_styles(file)
    except StylesFileError:
        return
    assert all(isinstance(value, str) for style in styles for value in asdict(style).values())


@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=["transformers", "open_clip"])
@given(texts)
@examples(200)
def test_every_text_has_tokens_of_the_vocabulary(tokenizer: ClipTokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert set(ids) <= set(VOCABULARY)
    assert ids == tokenizer.encode(text)


@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=["transformers", "open_clip"])
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="&<"), max_size=60))
@examples(150)
def test_pieces_of_plain_text_spell_it(tokenizer: ClipTokenizer, text: str) -> None:
    pieces = [tokenizer.piece(token) for token in tokenizer.encode(text)]
    assert "".join(pieces) == "".join(text.lower().split())


def well_formed(prompt: ChunkedPrompt) -> bool:
    """Whether a text encoder can read all chunks."""
    return all(
        len(chunk.tokens) == len(chunk.multipliers) == CHUNK_TOKENS + 2
        and (chunk.tokens[0], chunk.tokens[-1]) == (TOKENIZER.start_id, TOKENIZER.end_id)
        and all(math.isfinite(weight) for weight in chunk.multipliers)
        and all(0 <= fix.offset <= fix.offset + fix.vectors <= CHUNK_TOKENS for fix in chunk.fixes)
        for chunk in prompt.chunks
    )


@given(texts, st.integers(0, 74), st.sampled_from(["None", "Ignore", "Original", "No norm"]))
@examples(200)
def test_chunks_are_what_the_text_encoder_reads(text: str, backtrack: int, emphasis: Emphasis) -> None:
    prompt = chunk_prompt(text, TOKENIZER, backtrack=backtrack, emphasis=emphasis, embeddings=EMBEDDINGS)
    assert prompt.chunks
    assert well_formed(prompt)
    assert 75 * (len(prompt.chunks) - 1) <= prompt.token_count <= 75 * len(prompt.chunks)
    old = chunk_prompt_old(text, TOKENIZER, emphasis=emphasis, embeddings=EMBEDDINGS)
    assert len(old.chunks) == 1
    assert well_formed(old)


@given(texts, st.dictionaries(texts, st.integers(-1, 100), max_size=4))
@examples(60)
def test_embeddings_may_have_any_name(text: str, vectors: dict[str, int]) -> None:
    names = EmbeddingNames(vectors, TOKENIZER)
    for name in vectors:
        assert well_formed(chunk_prompt(name + text, TOKENIZER, backtrack=20, embeddings=names))


READERS: dict[str, Callable[[str], object]] = {
    "attention": parse_attention,
    "schedule": lambda text: prompt_schedule(text, 20),
    "tokens of open_clip": shipped_open_clip_tokenizer().encode,
    "old emphasis": lambda text: chunk_prompt_old(text, TOKENIZER, embeddings=EMBEDDINGS),
    "counter": lambda text: count_tokens(text, TOKENIZER),
    "report": lambda text: inspect_prompt(text, TOKENIZER, Reading(), embeddings=EMBEDDINGS, networks=NETWORKS),
}
"""The last two read tags, parts, schedules, emphasis, tokens and chunks one after the other."""


@pytest.mark.timeout(200)
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@given(long_texts)
@example(Long(opening="(", inner="a"))
@example(Long(opening="[a:", inner="a"))
@examples(3)
def test_the_longest_and_deepest_texts_end_soon(reader: Callable[[str], object], long: Long) -> None:
    read = reader(long.text)
    assert not isinstance(read, ChunkedPrompt) or well_formed(read)
