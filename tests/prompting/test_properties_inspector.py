"""What the inspector shows is what becomes of a prompt, whatever that is."""

import json
from dataclasses import asdict

from hypothesis import given
from hypothesis import strategies as st

from modules.core.settings import Emphasis
from modules.prompting.chunks import TokenCount, chunk_prompt, count_tokens
from modules.prompting.comments import strip_comments
from modules.prompting.composition import split_composition
from modules.prompting.extra_networks import parse_networks
from modules.prompting.inspector import Reading, inspect_prompt
from modules.prompting.schedule import prompt_schedule
from tests.prompting.typed_texts import EMBEDDINGS, NETWORKS, TOKENIZER, texts
from tests.properties import examples

readings = st.builds(
    Reading,
    negative=st.booleans(),
    steps=st.sampled_from([1, 2, 7, 1000]),
    hires_steps=st.sampled_from([None, 1, 3]),
    backtrack=st.sampled_from([0, 20, 74]),
    emphasis=st.sampled_from(["None", "Ignore", "Original", "No norm"]),
    comments=st.booleans(),
    use_old_scheduling=st.booleans(),
)


def stages(part: str, reading: Reading) -> list[list[tuple[int, str]]]:
    """Return what a part of a prompt says from step to step, in each pass."""
    passes = [None] if reading.hires_steps is None else [None, reading.hires_steps]
    return [
        list(prompt_schedule(part, reading.steps, hires_steps=steps, use_old_scheduling=reading.use_old_scheduling))
        for steps in passes
    ]


@given(texts, readings)
@examples(200)
def test_a_report_says_what_the_parsers_say(prompt: str, reading: Reading) -> None:
    found = inspect_prompt(prompt, TOKENIZER, reading, embeddings=EMBEDDINGS, networks=NETWORKS)

    typed = strip_comments(prompt) if reading.comments else prompt
    rest, tags = (typed, ()) if reading.negative else parse_networks(typed)
    parts = [(rest, 1.0)] if reading.negative else [(part.text, part.weight) for part in split_composition(rest)]
    assert [(tag.kind, tag.items) for tag in found.networks] == [(tag.kind, tag.items) for tag in tags]
    assert [(part.text, part.weight) for part in found.parts] == parts
    for part in found.parts:
        passes = [part.stages, part.hires_stages] if part.hires_stages else [part.stages]
        for seen, said in zip(passes, stages(part.text, reading), strict=True):
            assert [stage.until for stage in seen] == [until for until, _ in said]
            for stage, (_, text) in zip(seen, said, strict=True):
                assert stage.text is None or found.texts[stage.text].text == text
    assert found.count == TokenCount.of(max(text.token_count for text in found.texts))
    assert all(0 <= lint.start <= lint.stop <= len(prompt) for lint in found.lints)
    assert json.dumps(asdict(found), allow_nan=False)


@given(texts, readings)
@examples(120)
def test_a_report_shows_the_chunks_that_are_encoded(prompt: str, reading: Reading) -> None:
    found = inspect_prompt(prompt, TOKENIZER, reading, embeddings=EMBEDDINGS)
    for text in found.texts:
        chunked = chunk_prompt(
            text.text, TOKENIZER, backtrack=reading.backtrack, emphasis=reading.emphasis, embeddings=EMBEDDINGS
        )
        assert text.token_count == chunked.token_count
        for seen, chunk in zip(text.chunks, chunked.chunks, strict=True):
            count = len(seen.tokens)
            assert tuple(token.id for token in seen.tokens) == chunk.tokens[1 : count + 1]
            weights = (1.0,) * count if reading.emphasis == "Ignore" else chunk.multipliers[1 : count + 1]
            assert tuple(token.weight for token in seen.tokens) == weights
            assert seen.fixes == chunk.fixes
            assert all(0 <= token.start <= token.stop <= len(prompt) for token in seen.tokens)


@given(texts, st.sampled_from([1, 2, 7]), st.sampled_from(["None", "Original"]))
@examples(100)
def test_the_counter_counts_what_the_inspector_sees(prompt: str, steps: int, emphasis: Emphasis) -> None:
    reading = Reading(steps=steps, emphasis=emphasis, comments=False)
    count = count_tokens(prompt, TOKENIZER, steps=steps, emphasis=emphasis, embeddings=EMBEDDINGS)
    assert inspect_prompt(prompt, TOKENIZER, reading, embeddings=EMBEDDINGS).count == count
