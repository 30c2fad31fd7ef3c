"""The two kinds of events on the page. Both leave the page usable while they run and stay out of Gradio's own API."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

Listener = Callable[..., Any]
"""A component's event method, such as `button.click`."""


def unchanged() -> Any:
    """Return what a handler answers for a component that stays as it is."""
    return gr.skip()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # typed as a bare dict


def on_light(
    listener: Listener,
    handler: Callable[..., Any] | None,
    inputs: Sequence[Component] = (),
    outputs: Sequence[Component] = (),
    *,
    js: str | None = None,
) -> Any:
    """Answer at once, past Gradio's queue; for handlers that take a few milliseconds, or for `js` alone.

    Inputs arrive as the browser sent them.

    Returns:
        The dependency, for `.then`.
    """
    return listener(
        handler,
        list(inputs),
        list(outputs),
        js=js,
        queue=False,
        show_progress="hidden",
        preprocess=False,
        trigger_mode="always_last",
        api_visibility="private",
    )


def on_queued(
    listener: Listener,
    handler: Callable[..., Any],
    inputs: Sequence[Component] = (),
    outputs: Sequence[Component] = (),
    *,
    js: str | None = None,
    several: bool = False,
) -> Any:
    """Answer through Gradio's queue, which alone can show toasts; never wait for another visitor's event.

    Inputs arrive as the browser sent them: our own checks name the field, Gradio's would not. While it is answered the
    same is not asked again, unless `several` may be under way.

    Returns:
        The dependency, for `.then`.
    """
    return listener(
        handler,
        list(inputs),
        list(outputs),
        js=js,
        concurrency_limit=None,
        show_progress="hidden",
        preprocess=False,
        trigger_mode="multiple" if several else "once",
        api_visibility="private",
    )
