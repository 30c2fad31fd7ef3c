"""What lies between two samplers of a ComfyUI graph: enlargements of latents or of pictures."""

import math
import re
from dataclasses import dataclass

from modules.imaging.foreign_comfy_graph import Graph, Node
from modules.imaging.foreign_comfy_samplers import LATENTS, is_sampler
from modules.imaging.foreign_json import side
from modules.imaging.foreign_recipe import RecipeDraft, stem

_BACK = (*LATENTS, "pixels", "image", "images")
_NO_NOTE = ""

_LATENT_METHODS = {
    "nearest-exact": ("Latent (nearest-exact)", _NO_NOTE),
    "bilinear": ("Latent", _NO_NOTE),
    "bicubic": ("Latent (bicubic)", _NO_NOTE),
    "area": ("Latent", "Here, latents are enlarged bilinearly instead."),
    "bislerp": ("Latent (bicubic)", "Here, latents are enlarged bicubically instead."),
}
_PICTURE_METHODS = {
    "lanczos": ("Lanczos", _NO_NOTE),
    "nearest-exact": ("Nearest", _NO_NOTE),
}
_OTHER_METHOD = ("Lanczos", "Here, pictures are enlarged by Lanczos' method instead.")
_FACTOR = re.compile(r"(?<![0-9])([2348])x|x([2348])(?![0-9])", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enlargement:
    """The way from a sampler back to what it began with.

    Attributes:
        origin: the last node of the way: an empty latent, a picture, or None.
        begins_with: the other sampler at its end, None when there is none.
        used: ids of the nodes on the way.
        upscaler: our name; empty when nothing on the way enlarges.
        said: theirs.
        note: how they differ.
        scale: factor of both sides, None when it is not known or a size is.
        width: px, None when a factor is known instead.
        height: px, likewise.
    """

    origin: Node | None
    begins_with: Node | None
    used: frozenset[str]
    upscaler: str = ""
    said: str = ""
    note: str = ""
    scale: float | None = None
    width: int | None = None
    height: int | None = None

    @property
    def enlarges(self) -> bool:
        """Whether anything on the way enlarges."""
        return bool(self.upscaler)

    def write(self, draft: RecipeDraft) -> None:
        """Write the fields of the second pass that are of its size."""
        draft.write("Hires upscaler", self.upscaler, "enlargement", said=self.said, note=self.note)
        if self.width and self.height:
            draft.write_size(self.width, self.height, "size (second pass)", key="Hires resize")
        elif self.scale:
            draft.write("Hires upscale", round(self.scale, 3), "scale_by")


def enlargement(graph: Graph, sampler: Node) -> Enlargement:
    """Go back from `sampler` to what it began with, and gather what enlarges on the way."""
    passed: list[Node] = []
    begins_with: Node | None = None
    for node in graph.chain(graph.first_source(sampler, LATENTS), _BACK):
        if node.id == sampler.id:
            break
        if is_sampler(node):
            begins_with = node
            break
        passed.append(node)
    used = frozenset(node.id for node in passed)
    origin = passed[-1] if passed and begins_with is None else None
    steps = passed if begins_with is not None else []
    upscaler, said, note = _method(graph, steps)
    width, height, scale = _result(graph, steps)
    return Enlargement(
        origin=origin,
        begins_with=begins_with,
        used=used,
        upscaler=upscaler,
        said=said,
        note=note,
        scale=scale,
        width=width,
        height=height,
    )


def _method(graph: Graph, steps: list[Node]) -> tuple[str, str, str]:
    """Return our name of the upscaler, theirs, and how they differ: that of a network goes before that of a resize."""
    for node in steps:
        if (loader := graph.source(node, "upscale_model")) and (name := graph.text(loader, "model_name")):
            return stem(name), name, _NO_NOTE
    for node in steps:
        method = graph.text(node, "upscale_method") or graph.text(node, "method")
        if method is not None:
            known = _LATENT_METHODS if "samples" in node.inputs else _PICTURE_METHODS
            upscaler, note = known.get(method, _OTHER_METHOD)
            return upscaler, method, note
    return "", "", _NO_NOTE


def _result(graph: Graph, steps: list[Node]) -> tuple[int | None, int | None, float | None]:
    """Return width and height in px, or else the factor; `steps` go from the last one to the first."""
    scale = 1.0
    for node in steps:
        width, height = (side(graph.value(node, name)) for name in ("width", "height"))
        if width and height and scale == 1.0:
            return width, height, None
        by = graph.number(node, "scale_by") or _factor(graph, node)
        if by is not None and 0 < by <= 100:
            scale *= by
    return None, None, scale if math.isfinite(scale) and scale != 1.0 else None


def _factor(graph: Graph, node: Node) -> float | None:
    """Return by how much a node's network enlarges, which is in its file's name ("4x-UltraSharp", "RealESRGAN_x4")."""
    loader = graph.source(node, "upscale_model")
    found = _FACTOR.search(graph.text(loader, "model_name") or "") if loader else None
    return float(found[1] or found[2]) if found else None
