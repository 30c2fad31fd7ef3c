"""The prompt inspector: what a prompt becomes on its way to the text encoder, and what is odd about it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, islice

from modules.core.parameters import MAX_PROMPT_CHARACTERS
from modules.core.settings import Emphasis
from modules.prompting.chunks import TokenCount
from modules.prompting.comments import COMMENTS
from modules.prompting.composition import ComposedPart, split_composition
from modules.prompting.embeddings import EmbeddingNames
from modules.prompting.extra_networks import NetworkTag, parse_networks
from modules.prompting.report import InspectedPart, InspectedStage, InspectedText, Lint, PromptReport
from modules.prompting.schedule import Clock, ScheduleWriter
from modules.prompting.schedule_grammar import ScheduleText, read_schedule
from modules.prompting.schedule_lints import schedule_lints
from modules.prompting.text_inspector import TextInspector
from modules.prompting.token_lints import token_lints
from modules.prompting.tokenizer import ClipTokenizer
from modules.prompting.traced import TracedText
from modules.prompting.written_lints import (
    and_lints,
    bracket_lints,
    missing_lints,
    part_weight_lints,
    repetition_lints,
    tag_lints,
    weight_lints,
)

MAX_CHARACTERS = 2 * MAX_PROMPT_CHARACTERS
"""Of all texts that are looked at; a prompt that changes at every step can become very many."""

MAX_LINTS = 20
"""Of each rule."""

MAX_LINTS_OF_SOURCE = 200
"""Found before the rest of a source is left alone: a prompt can be all mistakes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a prompt is read.

    Attributes:
        negative: it is a negative prompt, where AND and tags are text.
        steps: of the first pass; twice as many for a sampler with two model calls per step.
        hires_steps: of the second pass, None if there is none.
        hires_only: the second pass alone has this prompt.
        backtrack: see `chunk_prompt`.
        emphasis: see `chunk_prompt`; with "Ignore" all weights are shown as 1.
        comments: what follows `#` is left out.
        use_old_scheduling: see `prompt_schedule`.
    """

    negative: bool = False
    steps: int = 20
    hires_steps: int | None = None
    hires_only: bool = False
    backtrack: int = 20
    emphasis: Emphasis = "Original"
    comments: bool = True
    use_old_scheduling: bool = False

    def clocks(self) -> tuple[Clock | None, Clock | None]:
        """Return the clocks of the first and of the second pass, None for a pass that has not this prompt."""
        first = Clock.of_pass(self.steps, use_old_scheduling=self.use_old_scheduling)
        if self.hires_steps is None:
            return first, None
        second = Clock.of_pass(self.steps, self.hires_steps, use_old_scheduling=self.use_old_scheduling)
        return None if self.hires_only else first, second


def inspect_prompt(
    prompt: str,
    tokenizer: ClipTokenizer,
    reading: Reading,
    *,
    embeddings: EmbeddingNames | None = None,
    networks: Mapping[str, Collection[str]] | None = None,
) -> PromptReport:
    """Find out what becomes of a prompt. Never raises.

    Args:
        prompt: as typed, styles merged in.
        tokenizer: the model's.
        reading: what of the settings and the request matters.
        embeddings: names that stand for vectors instead of tokens.
        networks: the names of the extra networks of each kind ("lora", "hypernet"); None if they are not known.
    """
    written = _without_comments(prompt) if reading.comments else TracedText.of(prompt)
    _, tags = parse_networks(written.text)
    used = () if reading.negative else tags
    missing = [] if networks is None else [tag for tag in used if tag.name not in networks.get(tag.kind, ())]
    plain = written.replaced([range(tag.start, tag.stop) for tag in used], "")
    inspector = TextInspector(tokenizer, backtrack=reading.backtrack, emphasis=reading.emphasis, embeddings=embeddings)
    texts = _Texts(inspector)
    parts: list[InspectedPart] = []
    lints = [
        tag_lints(written, tags, negative=reading.negative),
        missing_lints(written, missing, (networks or {}).keys()),
        *_written_lints(plain, reading),
    ]
    composed = _composed(plain.text, negative=reading.negative)
    if not reading.negative:
        lints.append(part_weight_lints(plain, composed))
    for part in composed:
        traced = plain.picked([range(part.start, part.start + len(part.text))])
        source = read_schedule(traced.text)
        parts.append(_inspected_part(part, traced, source, reading, texts))
        clocks = [clock for clock in reading.clocks() if clock is not None]
        lints += schedule_lints(traced, source, clocks), repetition_lints(traced)
    lints += (token_lints(prompt, text) for text in texts.inspected)
    return PromptReport(
        parts=tuple(parts),
        texts=tuple(texts.inspected),
        count=TokenCount.of(max(text.token_count for text in texts.inspected)),
        networks=tuple(_placed(tag, written) for tag in used),
        unresolved=tuple(f"{tag.kind}:{tag.name}" for tag in missing),
        lints=_chosen(lints),
    )


class _Texts:
    """Inspects each text once, as many as fit."""

    def __init__(self, inspector: TextInspector) -> None:
        self.inspected: list[InspectedText] = []
        self._inspector = inspector
        self._numbers: dict[str, int] = {}
        self._characters = 0

    def number(self, text: str, part: TracedText, writer: ScheduleWriter, step: int) -> int | None:
        """Return the number of the text that a part becomes at a step, None if there are too many texts."""
        if text not in self._numbers:
            if self.inspected and self._characters + len(text) > MAX_CHARACTERS:
                return None
            self._characters += len(text)
            self._numbers[text] = len(self.inspected)
            self.inspected.append(self._inspector.inspect(part.picked(writer.spans(step))))
        return self._numbers[text]


def _without_comments(prompt: str) -> TracedText:
    text = TracedText.of(prompt)
    for pattern in COMMENTS:
        text = text.replaced([range(*match.span()) for match in pattern.finditer(text.text)], "\n")
    return text


def _composed(text: str, *, negative: bool) -> tuple[ComposedPart, ...]:
    return (ComposedPart(text=text, weight=1.0, start=0),) if negative else split_composition(text)


def _inspected_part(
    part: ComposedPart, traced: TracedText, source: ScheduleText, reading: Reading, texts: _Texts
) -> InspectedPart:
    first, second = (
        _stages(traced, ScheduleWriter(source, clock), texts) if clock is not None else () for clock in reading.clocks()
    )
    return InspectedPart(text=part.text, weight=part.weight, stages=first, hires_stages=second)


def _stages(part: TracedText, writer: ScheduleWriter, texts: _Texts) -> tuple[InspectedStage, ...]:
    stages = writer.stages()
    firsts = (1, *(stage.until + 1 for stage in stages))
    return tuple(
        InspectedStage(first=first, until=stage.until, text=texts.number(stage.text, part, writer, stage.until))
        for first, stage in zip(firsts, stages, strict=False)
    )


def _written_lints(plain: TracedText, reading: Reading) -> list[Iterator[Lint]]:
    lints = [and_lints(plain, negative=reading.negative)]
    if reading.emphasis != "None":
        lints += bracket_lints(plain), weight_lints(plain)
    return lints


def _placed(tag: NetworkTag, written: TracedText) -> NetworkTag:
    place = written.place(range(tag.start, tag.stop))
    return replace(tag, start=place.start, stop=place.stop)


def _chosen(sources: Iterable[Iterator[Lint]]) -> tuple[Lint, ...]:
    """Return the first lints of each rule, each once, in the order of their places."""
    found = chain.from_iterable(islice(lints, MAX_LINTS_OF_SOURCE) for lints in sources)
    by_rule: defaultdict[str, list[Lint]] = defaultdict(list)
    for lint in sorted(set(found)):
        by_rule[lint.rule].append(lint)
    return tuple(sorted(lint for same in by_rule.values() for lint in same[:MAX_LINTS]))
