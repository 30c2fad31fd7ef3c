"""What the form takes over from the chosen checkpoint: its size, and prompts that are worth a try.

What a person entered is never overwritten: the form follows only where it still holds what a checkpoint put there.
"""

import html
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from modules.library.checkpoint_info import SD1_SIZE, CheckpointInfo


class ModelDefaults(BaseModel):
    """What one checkpoint puts into the form.

    It lies as JSON in hidden text boxes, so that each browser tab knows what its own form holds, also after the server
    was restarted.

    Attributes:
        width: px.
        height: px.
        prompts: suggestions, the best first; only the demo model has any.
    """

    model_config = ConfigDict(frozen=True)

    width: int = SD1_SIZE.width
    height: int = SD1_SIZE.height
    prompts: tuple[str, ...] = ()

    @classmethod
    def of(cls, info: CheckpointInfo) -> "ModelDefaults":
        """Return what a checkpoint of which `info` is known puts into the form."""
        return cls(width=info.size.width, height=info.size.height, prompts=info.prompts if info.demo else ())

    @classmethod
    def from_json(cls, text: object) -> "ModelDefaults":
        """Read what `to_json` wrote; anything else, as a browser may send it, counts as a model that says nothing."""
        try:
            return cls.model_validate_json(text if isinstance(text, str) else "")
        except ValidationError:
            return cls()

    def to_json(self) -> str:
        """Return it as text."""
        return self.model_dump_json()

    @property
    def prompt(self) -> str:
        """What the prompt is when nobody has entered one."""
        return self.prompts[0] if self.prompts else ""


class Followers(NamedTuple):
    """The fields that follow the checkpoint, as the browser sends them; a number's field may be empty (None)."""

    prompt: str | None
    width: float | None
    height: float | None


def follow(form: Followers, before: ModelDefaults, now: ModelDefaults) -> dict[str, object]:
    """Return the fields that change when the checkpoint does, by name.

    The size changes if it is still the one of the checkpoint `before`, the prompt if it is empty or one that `before`
    suggested and `now` does not.
    """
    wanted: dict[str, object] = {}
    if (form.width, form.height) == (before.width, before.height):
        wanted |= {"width": now.width, "height": now.height}
    left_over = form.prompt in before.prompts and form.prompt not in now.prompts
    if left_over or not (form.prompt or "").strip():
        wanted["prompt"] = now.prompt
    # What stays is not sent: the person may be typing meanwhile.
    return {name: value for name, value in wanted.items() if value != getattr(form, name)}


def suggestions_html(defaults: ModelDefaults) -> str:
    """Return buttons for the suggested prompts but the first; the page's script lets them fill the prompt."""
    buttons = "".join(
        f'<button type="button" data-suggestion="{(text := html.escape(prompt))}" title="{text}">{text}</button>'
        for prompt in defaults.prompts[1:]
    )
    if not buttons:
        return ""
    return f'<div class="suggestions" role="group" aria-label="Suggested prompts"><span>Try</span>{buttons}</div>'
