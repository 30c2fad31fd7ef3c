"""Whose weights an adapter's file means: from names in files to modules of a loaded model."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import nn

from modules.adapters.kinds.base import Shape
from modules.families.architecture import TransformerDepths, UNetArchitecture
from modules.families.base import LoadedModel
from modules.families.clip import ClipTextEncoder
from modules.loading.convert.names import renamed
from modules.loading.convert.unet import unet_modules

UNET = "unet"
TEXT, TEXT_2 = "text_encoder", "text_encoder_2"

# What stands before a module's name in files, with dots as underscores: whose module it is. The longest one counts.
_PREFIXES: dict[str, tuple[str, ...]] = {
    "lora_unet_": (UNET,),  # kohya, AI-Toolkit
    "oft_unet_": (UNET,),  # kohya
    "lycoris_unet_": (UNET,),
    "unet_": (UNET,),  # diffusers
    "diffusion_model_": (UNET,),  # ComfyUI, AI-Toolkit
    "model_diffusion_model_": (UNET,),  # CompVis
    "lora_te_": (TEXT,),
    "lora_te1_": (TEXT,),
    "lora_te2_": (TEXT_2,),
    "lycoris_te_": (TEXT,),
    "lycoris_te1_": (TEXT,),
    "lycoris_te2_": (TEXT_2,),
    "text_encoder_": (TEXT,),
    "text_encoder_2_": (TEXT_2,),
    "text_encoders_clip_l_transformer_": (TEXT,),  # ComfyUI
    "text_encoders_clip_g_transformer_": (TEXT_2,),
    "text_encoders_clip_h_transformer_": (TEXT,),
    "lycoris_": (UNET, TEXT, TEXT_2),  # whatever LyCORIS was wrapped around
    "": (UNET, TEXT, TEXT_2),  # whatever PEFT was
}
_WRAPPED = "base_model.model."  # PEFT, around whatever module it is

# Where names of modules differ from one version of diffusers to the next.
_OTHER_NAMES = (
    (re.compile(r"\.to_out\.0$"), ".to_out"),
    (re.compile(r"^class_embedding\."), "add_embedding."),
    (re.compile(r"\.self_attn\.([qkv])_proj$"), r".self_attn.to_\1"),
    (re.compile(r"\.self_attn\.out_proj$"), ".self_attn.to_out"),
)

# open_clip's names for the modules of a layer in transformers' CLIP.
_OPEN_CLIP = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
_LAYER = re.compile(r"encoder\.layers\.(\d+)\.(.+)")
_IN_PROJECTION = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")

_BLOCK = re.compile(r"(down_blocks|mid_block|up_blocks)(?:\.(\d+))?\.(resnets|attentions)\.(\d+)")
_DEPTH = re.compile(r"\.transformer_blocks\.(\d+)\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A parameter of a loaded model.

    Attributes:
        component: "unet", "text_encoder" or "text_encoder_2", as diffusers names its folders.
        parameter: its path below that, for `nn.Module.get_parameter` ("down_blocks.0.….to_q.weight").
    """

    component: str
    parameter: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleMatch:
    """A module that a name in a file means.

    Attributes:
        component: see `Target`.
        module: its path in there.
        third: queries, keys and values are one matrix in the file: this module is its first, second or third part
            (0..2); None for the whole.
    """

    component: str
    module: str
    third: int | None = None

    def target(self, parameter: str) -> Target:
        """Return its "weight" or "bias"."""
        return Target(component=self.component, parameter=f"{self.module}.{parameter}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelIndex:
    """The modules of a loaded model by all names that adapters give them. Made once per model.

    Attributes:
        family: the model's, for people.
        shapes: of all parameters that can be changed.
        modules: by component, then by name with underscores for dots.
    """

    family: str
    shapes: Mapping[Target, Shape]
    modules: Mapping[str, Mapping[str, tuple[ModuleMatch, ...]]]

    def find(self, name: str) -> tuple[ModuleMatch, ...]:
        """Return the modules that a module's name in a file means; () for none."""
        flat = name.replace(_WRAPPED, "", 1).replace(".", "_")
        for prefix in _PREFIXES_BY_LENGTH:
            if flat.startswith(prefix):
                rest = flat[len(prefix) :]
                return next((found for one in _PREFIXES[prefix] if (found := self._in(one, rest))), ())
        return ()

    def _in(self, component: str, name: str) -> tuple[ModuleMatch, ...]:
        return self.modules.get(component, {}).get(name, ())


_PREFIXES_BY_LENGTH = sorted(_PREFIXES, key=len, reverse=True)


def model_components(model: LoadedModel) -> dict[str, nn.Module]:
    """Return the networks of a model that adapters change, by the names of `Target.component`."""
    texts = zip(model.family.text_parts, model.text_encoder.encoders, strict=True)
    modules = {part.folder: one.module for part, one in texts if isinstance(one, ClipTextEncoder)}
    return {UNET: model.network, **modules}


def index_model(model: LoadedModel) -> ModelIndex:
    """Return the index of a loaded model."""
    return index_components(model_components(model), family=model.family.name)


def index_components(components: Mapping[str, nn.Module], *, family: str) -> ModelIndex:
    """Return the index of networks by the names of `Target.component`; they may be on the meta device."""
    shapes = {
        Target(component=component, parameter=name): tuple(parameter.shape)
        for component, network in components.items()
        for name, parameter in network.named_parameters()
    }
    return ModelIndex(
        family=family,
        shapes=shapes,
        modules={component: _index(component, network) for component, network in components.items()},
    )


def _index(component: str, network: nn.Module) -> dict[str, tuple[ModuleMatch, ...]]:
    names = [name.removesuffix(".weight") for name, _ in network.named_parameters() if name.endswith(".weight")]
    if component == UNET:
        return _index_unet(names)
    return _index_text(component, names)


def _index_unet(names: Sequence[str]) -> dict[str, tuple[ModuleMatch, ...]]:
    # Only its depths count here.
    architecture = UNetArchitecture(model_channels=0, channel_mult=(), depths=_depths(names), heads=(), context_dim=0)
    ldm_modules = unet_modules(architecture)
    found: dict[str, tuple[ModuleMatch, ...]] = {}
    for name in names:
        match = (ModuleMatch(component=UNET, module=name),)
        for spelling in (*_spellings(name), renamed(name, ldm_modules)):
            found[spelling.replace(".", "_")] = match
    return found


def _index_text(component: str, names: Sequence[str]) -> dict[str, tuple[ModuleMatch, ...]]:
    found: dict[str, tuple[ModuleMatch, ...]] = {}
    for name in names:
        match = ModuleMatch(component=component, module=name)
        for spelling in _spellings(name):
            found[spelling.replace(".", "_")] = (match,)
        layer = _LAYER.fullmatch(name)
        if layer is None:
            continue
        number, inner = layer.groups()
        block = f"transformer_resblocks_{number}_"
        if inner in _IN_PROJECTION:
            third = replace(match, third=_IN_PROJECTION.index(inner))
            key = f"{block}attn_in_proj"
            found[key] = (*found.get(key, ()), third)
        else:
            found[block + _OPEN_CLIP.get(inner, inner).replace(".", "_")] = (match,)
    # Older versions of transformers, and so all trainers, have one more level.
    return found | {f"text_model_{spelling}": matches for spelling, matches in found.items()}


def _spellings(name: str) -> Iterator[str]:
    """A module's names in all versions of its library."""
    yield name
    for pattern, other in _OTHER_NAMES:
        if pattern.search(name):
            yield pattern.sub(other, name)


def _depths(names: Iterable[str]) -> TransformerDepths:
    """How many transformer blocks follow the residual blocks of a UNet with modules of these names."""
    depths: dict[str, dict[int, dict[int, int]]] = {"down_blocks": {}, "mid_block": {}, "up_blocks": {}}
    for name in names:
        if place := _BLOCK.match(name):
            level, number = depths[place[1]].setdefault(int(place[2] or 0), {}), int(place[4])
            inner = _DEPTH.search(name)
            level[number] = max(level.get(number, 0), int(inner[1]) + 1 if inner else 0)
    middle = depths["mid_block"].get(0, {})
    return TransformerDepths(
        down=_in_order(depths["down_blocks"]), middle=max(middle.values(), default=0), up=_in_order(depths["up_blocks"])
    )


def _in_order(levels: Mapping[int, Mapping[int, int]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(depth for _, depth in sorted(level.items())) for _, level in sorted(levels.items()))
