"""ComfyUI's graphs: nodes with inputs, each a value or a link to another node's output.

A graph is in a picture twice: as "prompt", the form that is executed, and as "workflow", the form that is drawn on the
canvas, whose values have no names. Both may be damaged or made up: links may lead in circles or nowhere.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from modules.imaging.foreign_json import Object, as_list, as_number, as_object, as_text

MAXIMUM_NODES = 2000
_MAXIMUM_INPUTS = 200
_MAXIMUM_HOPS = 32
_MUTED, _BYPASSED = 2, 4  # modes of nodes on the canvas

_VALUE_NAMES = (
    "value",
    "text",
    "string",
    "seed",
    "int",
    "float",
    "number",
    "Value",
    "Text",
    "String",
    "populated_text",
)
"""What nodes that hold a single value call it."""

_WIDGETS: Mapping[str, Sequence[str]] = {
    "KSampler": ("seed", "", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": (
        *("add_noise", "noise_seed", "", "steps", "cfg", "sampler_name", "scheduler"),
        *("start_at_step", "end_at_step", "return_with_leftover_noise"),
    ),
    "KSamplerSelect": ("sampler_name",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "RandomNoise": ("noise_seed",),
    "CFGGuider": ("cfg",),
    "SamplerCustom": ("add_noise", "noise_seed", "", "cfg"),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "UNETLoader": ("unet_name",),
    "VAELoader": ("vae_name",),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "CLIPTextEncode": ("text",),
    "CLIPTextEncodeSDXL": (
        *("width", "height", "crop_w", "crop_h", "target_width", "target_height"),
        *("text_g", "text_l"),
    ),
    "CLIPSetLastLayer": ("stop_at_clip_layer",),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "LatentUpscale": ("upscale_method", "width", "height"),
    "LatentUpscaleBy": ("upscale_method", "scale_by"),
    "ImageScale": ("upscale_method", "width", "height"),
    "ImageScaleBy": ("upscale_method", "scale_by"),
    "UpscaleModelLoader": ("model_name",),
}
"""Names of the values of nodes that ComfyUI brings along, in the order of the canvas; empty for what is no input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node.

    Attributes:
        id: its key in the graph.
        kind: its class.
        inputs: values and links by name.
    """

    id: str
    kind: str
    inputs: Object


@dataclass(frozen=True, slots=True)
class Graph:
    """The nodes of a graph by id."""

    nodes: Mapping[str, Node]

    def source(self, node: Node, name: str) -> Node | None:
        """Return the node that input `name` is linked to."""
        link = as_list(node.inputs.get(name))
        return self.nodes.get(str(link[0])) if len(link) == 2 and isinstance(link[0], str | int) else None

    def slot(self, node: Node, name: str) -> int:
        """Return which output of its source input `name` takes."""
        link = as_list(node.inputs.get(name))
        return link[1] if len(link) == 2 and isinstance(link[1], int) else 0

    def first_source(self, node: Node, names: Sequence[str]) -> Node | None:
        """Return what the first of these inputs that is linked is linked to."""
        return next((found for name in names if (found := self.source(node, name))), None)

    def sources(self, node: Node) -> Iterator[Node]:
        """Yield all nodes that a node is linked to."""
        return (found for name in node.inputs if (found := self.source(node, name)))

    def value(self, node: Node | None, name: str) -> object:
        """Return the value of input `name`, also where a node that holds it, or passes it on, is linked there."""
        for _ in range(_MAXIMUM_HOPS):
            if node is None:
                return None
            source = self.source(node, name)
            if source is None:
                value = node.inputs.get(name)
                return None if isinstance(value, list | dict) else value
            node, name = source, _value_name(source, name)
        return None

    def number(self, node: Node | None, name: str) -> float | None:
        """Return the value of input `name` if it is a finite number."""
        return as_number(self.value(node, name))

    def text(self, node: Node | None, name: str) -> str | None:
        """Return the value of input `name` if it is a text."""
        return as_text(self.value(node, name))

    def upstream(self, node: Node) -> frozenset[str]:
        """Return the ids of all nodes that `node` depends on, its own only if the graph goes in a circle."""
        seen: set[str] = set()
        waiting = [node]
        while waiting:
            found = {source.id: source for source in self.sources(waiting.pop()) if source.id not in seen}
            seen.update(found)
            waiting.extend(found.values())
        return frozenset(seen)

    def chain(self, node: Node | None, names: Sequence[str]) -> Iterator[Node]:
        """Yield `node` and the nodes behind it, going along the first linked input of `names`, each once."""
        seen: set[str] = set()
        while node is not None and node.id not in seen:
            seen.add(node.id)
            yield node
            node = self.first_source(node, names)


def executed_graph(prompt: Object) -> Graph | None:
    """Return the graph of a picture's text "prompt", None when it is none."""
    nodes: dict[str, Node] = {}
    for key, value in islice(prompt.items(), MAXIMUM_NODES):
        said = as_object(value) or {}
        kind, inputs = as_text(said.get("class_type")), as_object(said.get("inputs"))
        if kind is not None and inputs is not None:
            nodes[key] = Node(id=key, kind=kind, inputs=dict(islice(inputs.items(), _MAXIMUM_INPUTS)))
    return Graph(nodes) if nodes else None


def drawn_graph(workflow: Object) -> Graph | None:
    """Return the graph of a picture's text "workflow", as far as its nodes are ComfyUI's own; None when it is none."""
    sources: dict[object, list[object]] = {}
    for link in islice(as_list(workflow.get("links")), MAXIMUM_NODES * 4):
        match as_list(link):
            case [int() as key, int() as origin, int() as slot, *_]:
                sources[key] = [str(origin), slot]
            case _:
                pass
    nodes: dict[str, Node] = {}
    for entry in islice(as_list(workflow.get("nodes")), MAXIMUM_NODES):
        node = _drawn_node(as_object(entry) or {}, sources)
        if node is not None:
            nodes[node.id] = node
    return Graph(nodes) if nodes else None


def _drawn_node(said: Object, sources: Mapping[object, list[object]]) -> Node | None:
    kind, key = as_text(said.get("type")), said.get("id")
    if kind is None or not isinstance(key, int) or said.get("mode") in (_MUTED, _BYPASSED):
        return None
    values = as_list(said.get("widgets_values"))
    inputs: dict[str, object] = {
        name: value for name, value in zip(_WIDGETS.get(kind, ()), values, strict=False) if name
    }
    for entry in as_list(said.get("inputs"))[:_MAXIMUM_HOPS]:
        part = as_object(entry) or {}
        name, link = as_text(part.get("name")), part.get("link")
        if name is not None and isinstance(link, int) and link in sources:
            inputs[name] = sources[link]
    return Node(id=str(key), kind=kind, inputs=inputs)


def _value_name(node: Node, name: str) -> str:
    """Return under which name `node` holds what is asked of it as `name`."""
    return next((known for known in (name, *_VALUE_NAMES) if known in node.inputs), name)
