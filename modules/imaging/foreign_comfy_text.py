"""The texts behind a conditioning of a ComfyUI graph, in the grammar of our prompts."""

import re
from dataclasses import dataclass

from modules.imaging.foreign_comfy_graph import Graph, Node
from modules.imaging.foreign_json import as_whole
from modules.imaging.foreign_recipe import MAXIMUM_TEXT

_TEXTS = ("text", "text_g", "prompt", "t5xxl", "clip_l", "string", "positive_prompt")
_ONE = ("conditioning", "conditioning_to")
_MAXIMUM_DEPTH = 40
_MAXIMUM_PARTS = 100
_MAXIMUM_CLIP_SKIP = 12

_EMBEDDING = re.compile(r"\bembedding:\s?([\w./\\-]+)")
_BRACKET = re.compile(r"(?<!\\)[\[\]]")

_AND = "There, what is combined is averaged; here, AND adds it up."
_LEFT_OUT = "What else steers the picture, such as areas or ControlNets, is left out."


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditioning:
    """What a conditioning says.

    Attributes:
        text: in the grammar of our prompts.
        used: ids of the nodes it was read from.
        note: how it differs; empty when it does not.
        clip_skip: as we count; None for the text encoder's last layer.
    """

    text: str
    used: frozenset[str]
    note: str
    clip_skip: int | None


def conditioning(graph: Graph, node: Node, name: str, *, negative: bool) -> Conditioning:
    """Return what the conditioning that is linked to input `name` of `node` says."""
    reader = _Reader(graph, "negative" if negative else "positive")
    text = reader.read(node, name, 0)
    return Conditioning(
        text=text[:MAXIMUM_TEXT],
        used=frozenset(reader.used),
        note=" ".join(dict.fromkeys(reader.notes)),
        clip_skip=reader.clip_skip,
    )


def our_prompt(text: str) -> str:
    """Return a prompt of ComfyUI in our grammar: embeddings are words, and square brackets mean nothing there."""
    return _BRACKET.sub(lambda found: f"\\{found[0]}", _EMBEDDING.sub(lambda found: _embedding(found[1]), text))


def _embedding(file: str) -> str:
    return re.split(r"[\\/]", re.sub(r"\.(pt|safetensors|bin)$", "", file))[-1]


class _Reader:
    """Goes from a conditioning to its texts; each node is looked at once, so circles end."""

    def __init__(self, graph: Graph, role: str) -> None:
        self._graph = graph
        self._role = role
        self.used: set[str] = set()
        self.notes: list[str] = []
        self.clip_skip: int | None = None

    def read(self, node: Node, name: str, depth: int) -> str:
        source = self._graph.source(node, name)
        if source is None or source.id in self.used or depth > _MAXIMUM_DEPTH or len(self.used) > _MAXIMUM_PARTS:
            return ""
        self.used.add(source.id)
        if source.kind == "ConditioningZeroOut":
            return ""
        text = self._own_text(source)
        if text is not None:
            self._clip(source)
            return our_prompt(text[:MAXIMUM_TEXT])
        return self._joined(source, depth + 1)

    def _own_text(self, node: Node) -> str | None:
        texts = [text for name in _TEXTS if (text := self._graph.text(node, name)) is not None]
        if isinstance(both := node.inputs.get(self._role), str):  # of a node that encodes two texts
            texts.append(both)
        other = self._graph.text(node, "text_l")
        if texts and other and other != texts[0]:
            self.notes.append("Of two texts, that for the larger text encoder.")
        return texts[0] if texts else None

    def _joined(self, node: Node, depth: int) -> str:
        for one, two, word, note in (
            ("conditioning_1", "conditioning_2", "AND", _AND),
            ("conditioning_to", "conditioning_from", "BREAK", ""),
        ):
            if self._graph.source(node, one) and self._graph.source(node, two):
                parts = [self.read(node, one, depth), self.read(node, two, depth)]
                if note or node.kind != "ConditioningConcat":
                    self.notes.append(note or "There, the two texts are mixed.")
                return f"\n{word}\n".join(part for part in parts if part)
        for name in (self._role, *_ONE):
            if self._graph.source(node, name):
                self.notes.append(_LEFT_OUT)
                return self.read(node, name, depth)
        return ""

    def _clip(self, node: Node) -> None:
        for clip in self._graph.chain(self._graph.source(node, "clip"), ("clip",)):
            layer = self._graph.number(clip, "stop_at_clip_layer")
            if layer is not None:
                self.used.add(clip.id)
                self.clip_skip = as_whole(-layer, least=1, most=_MAXIMUM_CLIP_SKIP)
                return
