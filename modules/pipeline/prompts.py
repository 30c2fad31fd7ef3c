"""The texts of a request: styles merged in, comments and tags taken out, and what the network is told by them."""

from collections.abc import Sequence
from dataclasses import dataclass

from modules.adapters.textual_inversion import infotext_hashes
from modules.conditioning.conditioning import Conditioning, stack
from modules.conditioning.embeddings import EmbeddingUse
from modules.conditioning.encode import EncodedText, PictureFacts, TextOptions, condition_texts
from modules.conditioning.padding import Equalise, like_the_prompt, with_empty_chunks
from modules.core.errors import InvalidRequest
from modules.core.parameters import MAX_PROMPT_CHARACTERS, Generation, HiresFix, Txt2Img
from modules.core.settings import Settings
from modules.pipeline.add_ons import ActiveAddOns
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

MAX_SCHEDULE_WORK = 5_000_000
"""Characters of a prompt that changes while it is sampled, times model calls: to write so many texts takes a second."""

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


def merged_prompts(context: RunContext, request: Generation) -> tuple[Prompts, ...]:
    """Merge the request's styles into its prompts, then strip comments, in A1111's order.

    A style that does not exist is named in the job's notes and changes nothing.

    Returns:
        The texts of each picture, or those of all, alone.

    Raises:
        InvalidRequest: a prompt becomes too long.
    """
    styles = _styles(context, request)
    hires = request.hires if isinstance(request, Txt2Img) and request.hires else HiresFix()
    positive, negative = [style.prompt for style in styles], [style.negative_prompt for style in styles]

    def merged(text: str, additions: Sequence[str]) -> str:
        whole = _with_styles(text, additions)
        return strip_comments(whole) if context.settings.enable_prompt_comments else whole

    def prompts(prompt: str, negative_prompt: str) -> Prompts:
        first = PromptPair(
            positive=_with_networks(merged(prompt, positive), context.settings),
            negative=merged(negative_prompt, negative),
        )
        own = PromptPair(
            positive=_with_networks(merged(hires.prompt, positive), context.settings),
            negative=merged(hires.negative_prompt, negative),
        )
        return Prompts(
            first=first,
            hires=PromptPair(
                positive=own.positive if hires.prompt else first.positive,
                negative=own.negative if hires.negative_prompt else first.negative,
            ),
        )

    count = max(1, len(request.prompts), len(request.negative_prompts))
    pairs = zip(
        request.prompts or (request.prompt,) * count,
        request.negative_prompts or (request.negative_prompt,) * count,
        strict=True,
    )
    return tuple(prompts(*pair) for pair in pairs)


def _with_styles(text: str, additions: Sequence[str]) -> str:
    """Merge the texts of styles into a prompt.

    Raises:
        InvalidRequest: that makes it too long: a style may repeat the prompt, and so double it each time it is named.
    """
    for addition in additions:
        text = apply_styles(text, [addition])
        if len(text) > 2 * MAX_PROMPT_CHARACTERS:
            raise InvalidRequest(
                f"With styles a prompt has more than {2 * MAX_PROMPT_CHARACTERS:,} characters. Name fewer styles."
            )
    return text


def _with_networks(prompt: str, settings: Settings) -> str:
    """Add the networks that the settings want in every prompt, unless the prompt names them itself."""
    named = {(tag.kind, tag.name) for tag in parse_networks(prompt)[1]}
    for kind, name in (("hypernet", settings.sd_hypernetwork), ("lora", settings.sd_lora)):
        if name not in ("", "None") and (kind, name) not in named:
            prompt += f"<{kind}:{name}:{settings.extra_networks_default_multiplier}>"
    return prompt


def find_add_ons(context: RunContext, loaded: Loaded, prompt: str, *, refines: bool = False) -> ActiveAddOns:
    """Return the add-ons that a prompt names for a model, unless the request wants none; the context hears of them.

    A refiner reads a prompt that another model has read before, and takes of its add-ons what it can: what was said of
    them then is enough.

    Raises:
        Interrupted: the job was asked to stop.
    """
    request = context.job.request
    wanted = isinstance(request, Generation) and request.extra_networks
    active = context.add_ons.find(loaded.model, prompt if wanted else "", context.settings, context.token)
    if not refines:
        for problem in active.problems:
            context.note(problem)
    context.lora_hashes.update(active.lora_hashes)
    return active


def told(
    context: RunContext,
    loaded: Loaded,
    pairs: Sequence[PromptPair],
    calls: Calls,
    picture: PictureFacts,
    add_ons: ActiveAddOns,
    *,
    refines: bool = False,
) -> Told[Conditioning]:
    """Return what a model is told about a batch of pictures.

    Args:
        context: the job's.
        loaded: the model.
        pairs: the prompts of each picture of the batch.
        calls: of the pass.
        picture: what some families are told beside the prompts; the same for all.
        add_ons: by which the model is changed at the moment, and the embeddings that texts may name.
        refines: the model takes over from another one that was told the same.

    Raises:
        InvalidRequest: a prompt changes into too many long texts or has too many parts, or the model has no such layer
            as clip skip asks for.
        Interrupted: the job was asked to stop.
    """
    reader = _Reader(context, loaded, add_ons, refines=refines)

    def timeline(text: str, *, negative: bool) -> Timeline[Conditioning]:
        encoded = reader.read(text, calls)
        return condition_texts(loaded.model.text_encoder, encoded, picture=picture, negative=negative)

    # In A1111's order, which the infotext's list of embeddings shows.
    negatives = {text: timeline(text, negative=True) for text in dict.fromkeys(pair.negative for pair in pairs)}
    prompts = {pair.positive: _parts(pair.positive) for pair in pairs}
    positives = {
        text: tuple(WeightedPrompt(weight=weight, timeline=timeline(part, negative=False)) for part, weight in parts)
        for text, parts in prompts.items()
    }
    if calls.hires is None and context.ti_hashes is None:
        context.ti_hashes = reader.embedding_hashes()
    return Told(
        prompts=tuple(positives[pair.positive] for pair in pairs),
        negatives=tuple(negatives[pair.negative] for pair in pairs),
        stack=stack,
        equalise=_equalise(context, loaded, reader, picture),
    )


def text_options(settings: Settings) -> TextOptions:
    """Return how the settings want prompts to be read."""
    return TextOptions(
        clip_skip=settings.CLIP_stop_at_last_layers,
        optional_clip_skip=settings.sdxl_clip_l_skip,
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


def _parts(text: str) -> list[tuple[str, float]]:
    """Take the tags of extra networks out of a prompt and split it at each AND."""
    parts = split_composition(parse_networks(text)[0])
    if len(parts) > MAX_PARTS:
        raise InvalidRequest(f"The prompt joins {len(parts)} parts with AND; {MAX_PARTS} is the limit. Join fewer.")
    return [(part.text, part.weight) for part in parts]


def _equalise(context: RunContext, loaded: Loaded, reader: "_Reader", picture: PictureFacts) -> Equalise | None:
    """Return what the settings want done about prompts of unequal length; the context hears of it when it is done."""
    if context.settings.pad_cond_uncond_v0:
        pad = like_the_prompt
    elif context.settings.pad_cond_uncond:
        empty = reader.read("", Calls(first=1))
        blank = condition_texts(loaded.model.text_encoder, empty, picture=picture, negative=False).at(0)
        pad = with_empty_chunks(blank)
    else:
        return None

    def equalise(cond: Conditioning, uncond: Conditioning) -> tuple[Conditioning, Conditioning]:
        if cond.cross_attention.shape[1] != uncond.cross_attention.shape[1]:
            context.padded = True
        return pad(cond, uncond)

    return equalise


class _Reader:
    """Reads the texts of a pass with a model's text encoders."""

    def __init__(self, context: RunContext, loaded: Loaded, add_ons: ActiveAddOns, *, refines: bool) -> None:
        self._context = context
        self._loaded = loaded
        self._add_ons = add_ons
        self._refines = refines
        self._embeddings: list[EmbeddingUse] = []

    def read(self, text: str, calls: Calls) -> Timeline[EncodedText]:
        """Return what the encoders make of a text, whose embeddings that cannot be used are noted."""
        context, add_ons = self._context, self._add_ons
        _check_work(text, calls)
        schedule = prompt_schedule(
            text, calls.first, hires_steps=calls.hires, use_old_scheduling=context.settings.use_old_scheduling
        )
        _check_length(schedule)
        encoded = self._loaded.texts.encode(
            schedule,
            text_options(context.settings),
            context.token,
            embeddings=add_ons.embeddings,
            changed_by=add_ons.text_adapters,
        )
        use = encoded.values[0].embeddings
        self._embeddings.append(use)
        for name in () if self._refines else use.unusable:
            context.note(add_ons.embeddings.problem(name) or "")
        return encoded

    def embedding_hashes(self) -> str:
        """Return what the infotext says of the embeddings that all texts named so far."""
        context, embeddings = self._context, self._add_ons.embeddings

        def hash_of(name: str) -> str | None:
            path = embeddings.path(name)
            return None if path is None else context.add_ons.embedding_hash(path, context.token)

        return infotext_hashes((names for use in self._embeddings for names in use.used), hash_of)


def _check_work(text: str, calls: Calls) -> None:
    total = calls.first + (calls.hires or 0)
    if "[" in text and len(text) * total > MAX_SCHEDULE_WORK:
        raise InvalidRequest(
            f"A prompt of {len(text):,} characters with [ ] in it may change at each of {total} model calls, which is "
            "too much. Shorten it, or ask for fewer steps."
        )


def _check_length(schedule: tuple[PromptStage, ...]) -> None:
    texts = {stage.text for stage in schedule}
    characters = sum(len(text) for text in texts)
    if len(texts) > 1 and characters > MAX_SCHEDULED_CHARACTERS:
        raise InvalidRequest(
            f"The prompt changes into {len(texts)} texts of {characters:,} characters together; "
            f"{MAX_SCHEDULED_CHARACTERS:,} is the limit. Shorten it, or let it change less often."
        )
