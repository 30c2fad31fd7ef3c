"""Pictures of ComfyUI: what its graph of nodes says, as far as one or two passes of ours can say it.

The sampler whose result was saved is looked for, and from it the way back is gone along its links: to the model through
its LoRA files, to the texts, and through enlargements to a first pass or to the picture that it began with.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from modules.imaging.foreign_comfy_graph import Graph, Node, drawn_graph, executed_graph
from modules.imaging.foreign_comfy_hires import Enlargement, enlargement
from modules.imaging.foreign_comfy_samplers import (
    final_sampler,
    helpers,
    holder,
    sampler_name,
    scheduler_name,
    setting,
)
from modules.imaging.foreign_comfy_text import conditioning
from modules.imaging.foreign_json import as_number, as_object, as_text, as_whole, json_object, side
from modules.imaging.foreign_recipe import ForeignRecipe, RecipeDraft, file_name, stem
from modules.imaging.foreign_samplers import comfy_sampler, comfy_scheduler

PROGRAM = "ComfyUI"
SEED_NOTE = "The first noise is the same with RNG: CPU; what samplers add on their way is not."

_MODELS = ("model", "model1", "MODEL", "unet")
_MAXIMUM_VALUES = 20
_SECOND = " (second pass)"

_UNREMARKABLE = (
    *("SaveImage", "PreviewImage", "VAEDecode", "VAEDecodeTiled", "VAELoader", "Reroute", "Note", "MarkdownNote"),
    *("CLIPLoader", "DualCLIPLoader", "PrimitiveNode", "UpscaleModelLoader", "KSamplerSelect", "RandomNoise"),
)
"""Nodes that need no mention: what they do is said with others, or done here by itself."""


def comfy_recipe(items: Mapping[str, str]) -> ForeignRecipe | None:
    """Return what the texts "prompt" and "workflow" of a picture say; None when they are not ComfyUI's.

    Args:
        items: the picture's texts by name.
    """
    graph = None
    if prompt := json_object(items.get("prompt")):
        graph = executed_graph(prompt)
    if graph is None and (workflow := json_object(items.get("workflow"))):
        graph = drawn_graph(workflow)
    final = final_sampler(graph) if graph else None
    return _Reading(graph).recipe(final) if graph and final else None


class _Passes(NamedTuple):
    """The sampler of each pass, the second only if there are two, and what lies between."""

    first: Node
    second: Node | None
    between: Enlargement
    skipped: int


class _Reading:
    """Reads one graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._draft = RecipeDraft(PROGRAM)
        self._used: set[str] = set()

    def recipe(self, final: Node) -> ForeignRecipe | None:
        """Return what was made by the sampler `final`."""
        passes = self._passes(final)
        first, draft = passes.first, self._draft
        self._texts(first)
        self._sampling(first)
        self._size(passes)
        self._model(first)
        if passes.second is not None:
            self._second(passes.second, passes)
        if passes.skipped:
            draft.ignore("sampler", f"{passes.skipped} more", "Here there are two passes at most.")
        self._vae()
        draft.write("RNG", "CPU", "noise", said="made on the CPU")
        self._others(final)
        return draft.finish()

    def _passes(self, final: Node) -> _Passes:
        """Go back from the last sampler to the first one."""
        between = enlargement(self._graph, final)
        earlier = between.begins_with
        if earlier is None:
            return _Passes(final, None, between, 0)
        first, skipped, seen = earlier, 0, {final.id, earlier.id}
        while (before := enlargement(self._graph, first).begins_with) is not None:
            if before.id in seen:
                break
            seen.add(before.id)
            first, skipped = before, skipped + 1
        return _Passes(first, final, between, skipped)

    def _texts(self, sampler: Node) -> None:
        guider = self._holder(sampler, "positive") or self._holder(sampler, "conditioning")
        if guider is None:
            return
        for name, negative in (("positive", False), ("negative", True)):
            link = name if name in guider.inputs or negative else "conditioning"
            found = conditioning(self._graph, guider, link, negative=negative)
            self._used |= found.used
            self._draft.write_prompt(found.text, name, negative=negative, note=found.note)
            if found.clip_skip and not negative:
                self._draft.write("Clip skip", found.clip_skip, "stop_at_clip_layer", said=-found.clip_skip)

    def _sampling(self, sampler: Node) -> None:
        draft = self._draft
        draft.write("Steps", as_whole(self._setting(sampler, "steps"), least=1, most=10_000), "steps")
        self._sampler_name(sampler, "Sampler")
        self._scheduler_name(sampler, "Schedule type")
        draft.write("CFG scale", as_number(self._setting(sampler, "cfg")), "cfg")
        seed = as_whole(self._setting(sampler, "seed"))
        draft.write_seed(as_whole(self._setting(sampler, "noise_seed")) if seed is None else seed, note=SEED_NOTE)

    def _sampler_name(self, sampler: Node, key: str, which: str = "") -> None:
        name = sampler_name(self._graph, sampler)
        self._draft.write_match(key, comfy_sampler(name) if name else None, f"sampler_name{which}", name)

    def _scheduler_name(self, sampler: Node, key: str, which: str = "") -> None:
        name = scheduler_name(self._graph, sampler)
        self._draft.write_match(key, comfy_scheduler(name) if name else None, f"scheduler{which}", name)

    def _size(self, passes: _Passes) -> None:
        begin = passes.between if passes.second is None else enlargement(self._graph, passes.first)
        origin = begin.origin
        self._used |= begin.used | {passes.first.id}
        if origin is None:
            return
        self._used.add(origin.id)
        for width, height in (("width", "height"), ("empty_latent_width", "empty_latent_height")):
            self._draft.write_size(
                side(self._graph.value(origin, width)), side(self._graph.value(origin, height)), origin.kind
            )
        if "image" in origin.inputs:
            self._draft.ignore(origin.kind, self._graph.value(origin, "image"), "The picture that it began with.")
            strength = as_number(self._setting(passes.first, "denoise"))
            self._draft.write("Denoising strength", strength, "denoise")
        batch = as_whole(self._graph.value(origin, "batch_size"))
        if batch and batch > 1:
            self._draft.ignore("batch_size", batch, "Which of the batch's pictures this is, the file does not say.")

    def _model(self, sampler: Node) -> None:
        holder = self._holder(sampler, "model")
        chain = list(self._graph.chain(self._graph.source(holder, "model") if holder else None, _MODELS))
        for node in reversed(chain):
            self._used.add(node.id)
            for key in ("ckpt_name", "unet_name", "base_ckpt_name"):
                if (name := self._graph.text(node, key)) is not None:
                    self._draft.write("Model", stem(name), node.kind, said=name)
                    break
            else:
                if not self._networks(node) and node.kind not in _UNREMARKABLE:
                    self._model_change(node)

    def _networks(self, node: Node) -> bool:
        """Add the LoRA files of a node; False when it is of another kind."""
        graph, found = self._graph, False
        if (name := graph.text(node, "lora_name")) is not None:
            strength = graph.number(node, "strength_model")
            only_model = "strength_clip" not in node.inputs
            clip = 0.0 if only_model else graph.number(node, "strength_clip")
            self._draft.add_lora(name, 1.0 if strength is None else strength, clip, node.kind)
            found = True
        for value in list(node.inputs.values())[:_MAXIMUM_VALUES]:  # rgthree's Power Lora Loader
            entry = as_object(value)
            if entry is None or (name := as_text(entry.get("lora"))) is None:
                continue
            strength = as_number(entry.get("strength"))
            if entry.get("on") is True and strength is not None:
                self._draft.add_lora(name, strength, as_number(entry.get("strengthTwo")), node.kind)
            found = True
        return found

    def _model_change(self, node: Node) -> None:
        if node.kind == "ModelSamplingDiscrete" and node.inputs.get("zsnr") is True:
            self._draft.write("Noise Schedule", "Zero Terminal SNR", node.kind, said="zsnr")
        else:
            self._draft.ignore(node.kind, _summary(node), "It changes the model.")

    def _second(self, second: Node, passes: _Passes) -> None:
        self._used |= passes.between.used | {second.id}
        if not passes.between.enlarges:
            self._refiner(second, passes.first)
            return
        draft, graph = self._draft, self._graph
        passes.between.write(draft)
        draft.write("Hires steps", as_whole(self._setting(second, "steps"), least=1, most=10_000), f"steps{_SECOND}")
        denoise = as_number(self._setting(second, "denoise"))
        draft.write("Denoising strength", 1.0 if denoise is None else denoise, f"denoise{_SECOND}")
        self._sampler_name(second, "Hires sampler", _SECOND)
        self._scheduler_name(second, "Hires schedule type", _SECOND)
        cfg = as_number(self._setting(second, "cfg"))
        if cfg != as_number(self._setting(passes.first, "cfg")):
            draft.write("Hires CFG Scale", cfg, f"cfg{_SECOND}")
        for name, key in (("positive", "Hires prompt"), ("negative", "Hires negative prompt")):
            found = conditioning(graph, second, name, negative=name == "negative")
            self._used |= found.used
            first = conditioning(graph, passes.first, name, negative=name == "negative")
            if found.text and found.text != first.text:
                draft.write(key, found.text, f"{name}{_SECOND}", note=found.note)
        if self._setting(second, "seed") != self._setting(passes.first, "seed"):
            draft.ignore(f"seed{_SECOND}", self._setting(second, "seed"), "Here both passes have one seed.")

    def _refiner(self, second: Node, first: Node) -> None:
        """Two passes of one size: base and refiner, if they share the steps and the second has another checkpoint."""
        names = [self._checkpoint(node) for node in (first, second)]
        steps, at = as_number(self._setting(first, "steps")), as_number(self._setting(second, "start_at_step"))
        if names[1] is None or names[0] == names[1] or not steps or not at or at >= steps:
            self._draft.ignore(second.kind, _summary(second), "A second pass of the same size.")
            return
        self._draft.write("Refiner", stem(names[1]), f"ckpt_name{_SECOND}", said=names[1])
        self._draft.write("Refiner switch at", round(at / steps, 3), "start_at_step", said=at)
        self._draft.write("Refiner switch by sampling steps", "True", "start_at_step", said=at)

    def _checkpoint(self, sampler: Node) -> str | None:
        holder = self._holder(sampler, "model")
        names: Iterator[str | None] = (
            self._graph.text(node, key)
            for node in self._graph.chain(self._graph.source(holder, "model") if holder else None, _MODELS)
            for key in ("ckpt_name", "unet_name")
        )
        return next((name for name in names if name), None)

    def _vae(self) -> None:
        for node in self._graph.nodes.values():
            loader = self._graph.source(node, "vae") if node.kind.startswith("VAEDecode") else None
            if loader and (name := self._graph.text(loader, "vae_name")):
                self._draft.write("VAE", file_name(name), loader.kind, said=name)
                return

    def _others(self, final: Node) -> None:
        """Tell of the nodes that had a part in it and were not looked at."""
        part = self._graph.upstream(final)
        told = {node.id for node in helpers(self._graph, final)}
        kinds = Counter(
            node.kind
            for key, node in self._graph.nodes.items()
            if key in part and key not in self._used | told and node.kind not in _UNREMARKABLE and _has_part(node)
        )
        for kind, count in kinds.most_common(20):
            self._draft.ignore(kind, f"{count} times" if count > 1 else "", "Here there is no such step.")

    def _setting(self, sampler: Node, name: str) -> object:
        return setting(self._graph, sampler, name)

    def _holder(self, sampler: Node, name: str) -> Node | None:
        return holder(self._graph, sampler, name)


def _has_part(node: Node) -> bool:
    """Whether a node does more than to hold a value."""
    return not node.kind.startswith(("Primitive", "easy int", "easy float", "INT", "FLOAT", "STRING", "Seed", "String"))


def _summary(node: Node) -> str:
    plain = {name: value for name, value in node.inputs.items() if isinstance(value, str | int | float)}
    return ", ".join(f"{name}: {value!s:.60}" for name, value in list(plain.items())[:8])
