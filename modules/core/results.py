"""What a job leaves behind."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedImage:
    """One finished picture.

    Attributes:
        data: the complete image file with the infotext in it, as it was or would be saved.
        suffix: the ending that tells its format: ".png", ".jpg", ".jpeg", ".webp" or ".avif".
        infotext: the generation parameters in A1111's text form.
        prompt: positive prompt with styles merged in.
        negative_prompt: negative prompt with styles merged in.
        seed: of this picture.
        subseed: variation seed of this picture.
        width: px.
        height: px.
        path: where it was saved, None when it was not.
        is_grid: it is the overview of the others.
        is_mask: it is the mask of the picture before it, or what was inpainted there.
    """

    data: bytes = field(repr=False)
    infotext: str
    prompt: str
    negative_prompt: str
    seed: int
    subseed: int
    width: int
    height: int
    suffix: str = ".png"
    path: Path | None = None
    is_grid: bool = False
    is_mask: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingInfo:
    """What is known of an embedding.

    Attributes:
        name: by which prompts name it.
        fits: the checkpoint can use it.
        vectors: how many it has.
        width: how many numbers each of them has.
        step: how long it was trained, None if it does not say.
        sd_checkpoint: short hash of the checkpoint that it was trained with.
        sd_checkpoint_name: name of that checkpoint.
    """

    name: str
    fits: bool
    vectors: int
    width: int
    step: int | None = None
    sd_checkpoint: str | None = None
    sd_checkpoint_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationResult:
    """All that a finished job made.

    Attributes:
        images: the grid first if there is one, then the pictures in order.
        seconds: from the job's start to its end.
        model_name: checkpoint's file name without its ending, None when no model was used.
        model_hash: first 10 hex digits of its sha256.
        notes: sentences worth showing (a fallback that was taken, a name that was not found).
        embeddings: those that there are, if that was asked for.
    """

    images: tuple[GeneratedImage, ...] = ()
    seconds: float = 0.0
    model_name: str | None = None
    model_hash: str | None = None
    notes: tuple[str, ...] = ()
    embeddings: tuple[EmbeddingInfo, ...] = ()
