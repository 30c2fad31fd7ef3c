"""The texts of a request: styles merged in, comments taken out, and encoded for each step."""

from dataclasses import dataclass

from modules.conditioning.conditioning import Conditioning
from modules.conditioning.encode import encode_schedule
from modules.core.errors import InvalidRequest
from modules.core.parameters import MAX_PROMPT_CHARACTERS, Txt2Img
from modules.core.samplers import find_sampler
from modules.core.settings import Settings
from modules.families.base import LoadedModel
from modules.pipeline.context import RunContext
from modules.prompting.comments import strip_comments
from modules.prompting.schedule import PromptStage, prompt_schedule
from modules.prompting.styles import apply_styles, read_styles
from modules.sampling.timeline import Timeline

MAX_SCHEDULED_CHARACTERS = 20 * MAX_PROMPT_CHARACTERS
"""Of all different texts that a prompt becomes while it changes: what is encoded stays in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """What is encoded, and what the infotext says."""

    positive: str
    negative: str


def merged_prompts(context: RunContext, request: Txt2Img, settings: Settings) -> Prompts:
    """Merge the request's styles into its prompts, then strip comments, in A1111's order.

    A style that does not exist is named in the job's notes and changes nothing.
    """
    known = {style.name: style for style in read_styles(context.paths.styles_file)} if request.styles else {}
    missing = [name for name in request.styles if name not in known and name != "None"]
    if missing:
        context.notes.append(f"Style not found in {context.paths.styles_file.name}: {', '.join(missing)}.")
    chosen = [known[name] for name in request.styles if name in known]
    positive = apply_styles(request.prompt, [style.prompt for style in chosen])
    negative = apply_styles(request.negative_prompt, [style.negative_prompt for style in chosen])
    if settings.enable_prompt_comments:
        positive, negative = strip_comments(positive), strip_comments(negative)
    return Prompts(positive=positive, negative=negative)


def encode_prompt(context: RunContext, model: LoadedModel, text: str, request: Txt2Img) -> Timeline[Conditioning]:
    """Return what `text` tells the network about a picture at each model call.

    Args:
        context: its settings say how texts are encoded.
        model: whose text encoder is used.
        text: the prompt or the negative prompt, styles merged in.
        request: says how many steps there are, of which sampler.

    Raises:
        Interrupted: the person stopped the job.
        InvalidRequest: the prompt changes into too many long texts.
    """
    settings = context.job.settings
    # Steps are counted in model calls, as in A1111: 0.5 is the middle, 3 is the third call.
    calls = request.steps * (2 if find_sampler(request.sampler).second_order else 1)
    schedule = prompt_schedule(text, calls)
    _check_length(schedule)
    return encode_schedule(
        model.text_encoder,
        schedule,
        clip_skip=settings.CLIP_stop_at_last_layers,
        backtrack=settings.comma_padding_backtrack,
        token=context.token,
    )


def _check_length(schedule: tuple[PromptStage, ...]) -> None:
    texts = {stage.text for stage in schedule}
    characters = sum(len(text) for text in texts)
    if len(texts) > 1 and characters > MAX_SCHEDULED_CHARACTERS:
        raise InvalidRequest(
            f"The prompt changes into {len(texts)} texts of {characters:,} characters together; "
            f"{MAX_SCHEDULED_CHARACTERS:,} is the limit. Shorten it, or let it change less often."
        )
