"""The samplers of a ComfyUI graph: which one made the picture, and what each was told.

Some are told everything by their own inputs, others by helper nodes: a guider, a method, noise levels, noise.
"""

from collections.abc import Iterator, Mapping

from modules.imaging.foreign_comfy_graph import Graph, Node
from modules.imaging.foreign_json import as_text

LATENTS = ("latent_image", "latent", "samples")
"""Inputs for what a sampler begins with."""

_HELPERS = ("sampler", "sigmas", "guider", "noise")
_MAXIMUM_SAMPLERS = 20

_SCHEDULES_BY_KIND: Mapping[str, str] = {
    "KarrasScheduler": "karras",
    "ExponentialScheduler": "exponential",
    "PolyexponentialScheduler": "polyexponential",
    "AlignYourStepsScheduler": "align_your_steps",
    "SDTurboScheduler": "turbo",
    "BetaSamplingScheduler": "beta",
}
_SAMPLERS_BY_KIND: Mapping[str, str] = {
    "SamplerEulerAncestral": "euler_ancestral",
    "SamplerLMS": "lms",
    "SamplerDPMPP_SDE": "dpmpp_sde",
    "SamplerDPMPP_2M_SDE": "dpmpp_2m_sde",
    "SamplerDPMPP_3M_SDE": "dpmpp_3m_sde",
    "SamplerDPMPP_2S_Ancestral": "dpmpp_2s_ancestral",
}


def is_sampler(node: Node) -> bool:
    """Whether a node samples latents; what samples parts of pictures, such as a face detailer, does not count."""
    known = node.kind.startswith(("KSampler", "SamplerCustom")) or {"sampler_name", "steps"} <= node.inputs.keys()
    return known and any(name in node.inputs for name in LATENTS)


def final_sampler(graph: Graph) -> Node | None:
    """Return the last sampler on the way to a saved picture, None when there is no sampler."""
    samplers = [node for node in graph.nodes.values() if is_sampler(node)][:_MAXIMUM_SAMPLERS]
    before = [graph.upstream(node) - {node.id} for node in samplers]
    last = [node for node in samplers if not any(node.id in passed for passed in before)] or samplers[:1]
    saved = [node for node in graph.nodes.values() if "saveimage" in node.kind.replace(" ", "").lower()]
    behind = [graph.upstream(node) for node in saved[:_MAXIMUM_SAMPLERS]]
    return next((node for node in last if any(node.id in passed for passed in behind)), last[0] if last else None)


def helpers(graph: Graph, sampler: Node) -> Iterator[Node]:
    """Yield the nodes that tell a sampler how to work; noise levels may go through several."""
    for name in _HELPERS:
        yield from graph.chain(graph.source(sampler, name), ("sigmas",))


def holder(graph: Graph, sampler: Node, name: str) -> Node | None:
    """Return which has the input `name`: the sampler itself, or a node that tells it how to work."""
    if name in sampler.inputs:
        return sampler
    return next((node for node in helpers(graph, sampler) if name in node.inputs), None)


def setting(graph: Graph, sampler: Node, name: str) -> object:
    """Return the value `name` that a sampler was told."""
    return graph.value(holder(graph, sampler, name), name)


def sampler_name(graph: Graph, sampler: Node) -> str | None:
    """Return the name of the method."""
    name = as_text(setting(graph, sampler, "sampler_name"))
    made = graph.source(sampler, "sampler")
    return _SAMPLERS_BY_KIND.get(made.kind, made.kind) if name is None and made else name


def scheduler_name(graph: Graph, sampler: Node) -> str | None:
    """Return the name of the schedule."""
    name = as_text(setting(graph, sampler, "scheduler"))
    kinds = (node.kind for node in helpers(graph, sampler) if node.kind in _SCHEDULES_BY_KIND)
    return name if name is not None else next((_SCHEDULES_BY_KIND[kind] for kind in kinds), None)
