"""What a finished job looks like on the page: gallery, infotexts and the line below them."""

import contextlib
import html
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gradio.processing_utils import save_bytes_to_cache

from modules.core.results import GeneratedImage
from modules.jobs.state import JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationInfo:
    """What the page knows of the pictures in the gallery, as JSON in a hidden text box.

    Attributes:
        infotexts: one per picture.
        seeds: one per picture; the grid has the first picture's.
        subseeds: of the variation, likewise.
    """

    infotexts: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    subseeds: tuple[int, ...] = ()

    @classmethod
    def of(cls, images: tuple[GeneratedImage, ...]) -> "GenerationInfo":
        """Return what is known of `images`."""
        return cls(
            infotexts=tuple(image.infotext for image in images),
            seeds=tuple(image.seed for image in images),
            subseeds=tuple(image.subseed for image in images),
        )

    @classmethod
    def from_json(cls, text: str | None) -> "GenerationInfo":
        """Read what `to_json` wrote; empty text means no pictures."""
        if not text:
            return cls()
        known: dict[str, Any] = json.loads(text)
        return cls(
            infotexts=tuple(known["infotexts"]),
            seeds=tuple(known["all_seeds"]),
            subseeds=tuple(known["all_subseeds"]),
        )

    def to_json(self) -> str:
        """Return the JSON, with A1111's names."""
        return json.dumps({"infotexts": self.infotexts, "all_seeds": self.seeds, "all_subseeds": self.subseeds})

    def infotext(self, index: int) -> str:
        """Return the infotext of picture `index`, or nothing if there is no such picture."""
        return self.infotexts[index] if 0 <= index < len(self.infotexts) else ""


def with_bytes(images: tuple[GeneratedImage, ...]) -> tuple[GeneratedImage, ...]:
    """Return the pictures complete: those of an old job are read back from where they were saved, if they still are."""
    complete: list[GeneratedImage] = []
    for image in images:
        if image.data:
            complete.append(image)
        elif image.path:
            with contextlib.suppress(OSError):
                complete.append(replace(image, data=image.path.read_bytes()))
    return tuple(complete)


def gallery_files(images: tuple[GeneratedImage, ...], cache: Path) -> list[str]:
    """Write the pictures, unchanged, where the page may read them.

    The page is given copies below `cache` and never the output folders themselves, so a change of those folders in the
    settings opens nothing to the network.

    Returns:
        Absolute paths, named like the saved files, so that a download has the same name.
    """
    names = [
        image.path.name if image.path else f"{number:05}-{image.seed}{image.suffix}"
        for number, image in enumerate(images)
    ]
    return [save_bytes_to_cache(image.data, name, str(cache)) for image, name in zip(images, names, strict=True)]


def infotext_html(text: str) -> str:
    """Return an infotext as HTML; a prompt may hold anything, so everything in it is escaped."""
    return f'<p class="infotext-text">{html.escape(text)}</p>' if text else ""


def log_html(job_id: str, sentences: list[str], *, error: bool = False) -> str:
    """Return the line below the pictures.

    The page's script waits for `data-job`: it tells that the outcome of that job is now on the page.
    """
    role = ' class="error" role="alert"' if error else ""
    text = "<br>".join(html.escape(sentence) for sentence in sentences)
    return f'<div data-job="{html.escape(job_id)}"{role}>{text}</div>'


def summary(state: JobState) -> list[str]:
    """Return the sentences that are worth saying about an ended job."""
    if state.error:
        return [state.error.message]
    if state.result is None:
        return []
    sentences = list(state.result.notes)
    if state.interrupted:
        sentences.append(_interrupted(len([image for image in state.result.images if not image.is_grid])))
    sentences.append(f"Time taken: {state.result.seconds:.1f} s")
    return sentences


def _interrupted(pictures: int) -> str:
    match pictures:
        case 0:
            return "Interrupted before a picture was finished."
        case 1:
            return "Interrupted, 1 finished picture kept."
        case _:
            return f"Interrupted, {pictures} finished pictures kept."
