"""The texts of a request: styles merged in, comments and tags taken out, and what the network is told by them."""

from collections.abc import Sequence
from dataclasses import dataclass

from modules.conditioning.conditioning import Conditioning, stack
from modules.conditioning.encode import EncodedText, PictureFacts, TextOptions, condition_texts
from modules.conditioning.padding import Equalise, like_the_prompt, with_empty_chunks
from modules.core.errors import InvalidRequest
from modules.core.parameters import MAX_PROMPT_CHARACTERS, Generation, HiresFix, Txt2Img
from modules.core.settings import Settings
from modules.pipeline.context import Loaded, RunContext
from modules.prompting.comments import strip_comments
from modules.prompting.composition import split_composition
from modules.prompting.extra_networks import parse_networks
from modules.prompting.schedule import PromptStage, prompt_schedule
from modules.prompting.styles import Style, apply_styles, read_styles
from modules.sampling.denoiser import Told, WeightedPrompt
from modules.sampling.timeline import Timeline

MAX_SCHEDULED_CHARACTERS = 20 * MAX_PROMPT_CHARACTERS
"""Of all different texts that a prompt becomes while it changes: what is encoded stays in memory."""

MAX_PARTS = 100
"""Of a prompt composed with AND: each of them goes through the network with every picture at every step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptPair:
    """What a picture shows and what it must not show, as the infotext says it."""

    positive: str
    negative: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """The texts of a request.

    Attributes:
        first: of the first, or only, pass.
        hires: of the second pass.
    """

    first: PromptPair
    hires: PromptPair


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """How many model calls the passes have, by which prompts count their steps.

    Attributes:
        first: of the first pass.
        hires: of the second pass if that is the one in question, else None.
    """

    first: int
    hires: int | None = None


def merged_prompts(context: RunContext, request: Generation) -> Prompts:
    """Merge the request's styles into its prompts, then strip comments, in A1111's order.

    A style that does not exist is named in the job's notes and changes nothing.
    """
    styles = _styles(context, request)
    hires = request.hires if isinstance(request, Txt2Img) and request.hires else HiresFix()

    def merged(text: str, additions: Sequence[str]) -> str:
        whole = apply_styles(text, additions)
        return strip_comments(whole) if context.settings.enable_prompt_comments else whole

    positive, negative = [style.prompt for style in styles], [style.negative_prompt for style in styles]
    first = PromptPair(positive=merged(request.prompt, positive), negative=merged(request.negative_prompt, negative))
    return Prompts(
        first=first,
        hires=PromptPair(
            positive=merged(hires.prompt, positive) if hires.prompt else first.positive,
            negative=merged(hires.negative_prompt, negative) if hires.negative_prompt else first.negative,
        ),
    )


def told(
    context: RunContext, loaded: Loaded, pairs: Sequence[PromptPair], calls: Calls, picture: PictureFacts
) -> Told[Conditioning]:
    """Return what a model is told about a batch of pictures.

    Args:
        context: the job's.
        loaded: the model.
        pairs: the prompts of each picture of the batch.
        calls: of the pass.
        picture: what some families are told beside the prompts; the same for all.

    Raises:
        InvalidRequest: a prompt changes into too many long texts or has too many parts, or the model has no such layer
            as clip skip asks for.
        Interrupted: the job was asked to stop.
    """

    def timeline(text: str, *, negative: bool) -> Timeline[Conditioning]:
        encoded = _encoded(context, loaded, text, calls)
        return condition_texts(loaded.model.text_encoder, encoded, picture=picture, negative=negative)

    prompts = {pair.positive: _parts(context, pair.positive) for pair in pairs}
    positives = {
        text: tuple(WeightedPrompt(weight=weight, timeline=timeline(part, negative=False)) for part, weight in parts)
        for text, parts in prompts.items()
    }
    negatives = {text: timeline(text, negative=True) for text in {pair.negative for pair in pairs}}
    return Told(
        prompts=tuple(positives[pair.positive] for pair in pairs),
        negatives=tuple(negatives[pair.negative] for pair in pairs),
        stack=stack,
        equalise=_equalise(context, loaded, picture),
    )


def text_options(settings: Settings) -> TextOptions:
    """Return how the settings want prompts to be read."""
    return TextOptions(
        clip_skip=settings.CLIP_stop_at_last_layers,
        backtrack=settings.comma_padding_backtrack,
        emphasis=settings.emphasis,
        old_emphasis=settings.use_old_emphasis_implementation,
    )


def _styles(context: RunContext, request: Generation) -> list[Style]:
    if not request.styles:
        return []
    known = {style.name: style for style in read_styles(context.paths.styles_file)}
    missing = [name for name in request.styles if name not in known and name != "None"]
    if missing:
        context.note(f"Style not found in {context.paths.styles_file.name}: {', '.join(missing)}.")
    return [known[name] for name in request.styles if name in known]


def _parts(context: RunContext, text: str) -> list[tuple[str, float]]:
    """Take the tags of extra networks out of a prompt and split it at each AND."""
    text, tags = parse_networks(text)
    request = context.job.request
    if tags and isinstance(request, Generation) and request.extra_networks:
        kinds = ", ".join(sorted({f"<{tag.kind}:…>" for tag in tags}))
        context.note(f"{kinds}: extra networks are not supported yet; the picture was made without them.")
    parts = split_composition(text)
    if len(parts) > MAX_PARTS:
        raise InvalidRequest(f"The prompt joins {len(parts)} parts with AND; {MAX_PARTS} is the limit. Join fewer.")
    return [(part.text, part.weight) for part in parts]


def _equalise(context: RunContext, loaded: Loaded, picture: PictureFacts) -> Equalise | None:
    """Return what the settings want done about prompts of unequal length; the context hears of it when it is done."""
    if context.settings.pad_cond_uncond_v0:
        pad = like_the_prompt
    elif context.settings.pad_cond_uncond:
        empty = _encoded(context, loaded, "", Calls(first=1))
        blank = condition_texts(loaded.model.text_encoder, empty, picture=picture, negative=False).at(0)
        pad = with_empty_chunks(blank)
    else:
        return None

    def equalise(cond: Conditioning, uncond: Conditioning) -> tuple[Conditioning, Conditioning]:
        if cond.cross_attention.shape[1] != uncond.cross_attention.shape[1]:
            context.padded = True
        return pad(cond, uncond)

    return equalise


def _encoded(context: RunContext, loaded: Loaded, text: str, calls: Calls) -> Timeline[EncodedText]:
    schedule = prompt_schedule(
        text, calls.first, hires_steps=calls.hires, use_old_scheduling=context.settings.use_old_scheduling
    )
    _check_length(schedule)
    return loaded.texts.encode(schedule, text_options(context.settings), context.token)


def _check_length(schedule: tuple[PromptStage, ...]) -> None:
    texts = {stage.text for stage in schedule}
    characters = sum(len(text) for text in texts)
    if len(texts) > 1 and characters > MAX_SCHEDULED_CHARACTERS:
        raise InvalidRequest(
            f"The prompt changes into {len(texts)} texts of {characters:,} characters together; "
            f"{MAX_SCHEDULED_CHARACTERS:,} is the limit. Shorten it, or let it change less often."
        )
