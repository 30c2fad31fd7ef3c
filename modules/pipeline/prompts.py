"""The texts of a request: styles merged in, comments taken out."""

from dataclasses import dataclass

from modules.core.parameters import Txt2Img
from modules.core.settings import Settings
from modules.pipeline.context import RunContext
from modules.prompting.comments import strip_comments
from modules.prompting.styles import apply_styles, read_styles


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
