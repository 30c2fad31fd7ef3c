"""The networks of full-size models, without weights."""

from collections.abc import Iterable
from functools import cache
from typing import cast

from torch import nn

from modules.adapters.keys import ModelIndex, index_components
from modules.families.base import ModelFamily
from modules.families.clip import build_clip_text
from modules.families.registry import FAMILIES
from modules.families.unet import build_unet
from modules.loading.ldm_config import read_ldm_config


def components(name: str) -> dict[str, nn.Module]:
    """The networks of a family, by diffusers' names of their folders."""
    family = _family(name)
    architecture = read_ldm_config(family.default_config)
    texts = zip(family.text_parts, architecture.texts, strict=True)
    return {
        "unet": build_unet(architecture.unet),
        **{part.folder: build_clip_text(text, pooled=part.pooled) for part, text in texts},
    }


@cache
def index_of(name: str) -> ModelIndex:
    """The index of a family's networks."""
    return index_components(components(name), family=name)


def named_modules(network: nn.Module) -> Iterable[tuple[str, nn.Module]]:
    """`network.named_modules()`, whose names have no types."""
    return cast("Iterable[tuple[str, nn.Module]]", network.named_modules())


def _family(name: str) -> ModelFamily:
    return next(family for family in FAMILIES if family.name == name)
