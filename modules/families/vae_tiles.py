"""Encoding and decoding a picture part by part, for which a fraction of the memory suffices.

The two finest levels of an autoencoder take most of the memory. Here they compute one tile of the picture after the
other; the coarser levels, which hold the attention, still see the picture as a whole. There are no seams that would
have to be hidden:

- Convolutions: a tile is computed with as much around it as they reach, which is cut off afterwards.
- Group normalisation: its mean and variance are those of the whole picture, measured beforehand. They can only be
  measured behind layers that are normalised themselves; so this is done for a few squares at a time that are spread
  over the picture, and which, normalised together, are much like it. What they differ by changes a decoded picture by
  less than one of its 255 levels, everywhere alike. It is why tiles take three times as long.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Protocol, cast

import torch
from diffusers.models.downsampling import Downsample2D
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

TILED_LEVELS = 2
"""How many levels compute in tiles. One more would save little memory, and would be one more to be measured."""

TILE = 384
"""Longest side of a tile, px."""

SQUARE = 64
"""Longest side of what is measured, px."""

SQUARES = 16
"""About how many squares are normalised together; with what surrounds them they take as much memory as a tile."""

_LAST = ("conv_norm_out", "conv_act", "conv_out")

Check = Callable[[], None]
Normalise = Callable[[nn.GroupNorm, list[Tensor]], list[Tensor]]
"""Normalises the maps [1,C,h,w] of some areas of one picture."""


def decode_in_tiles(vae: nn.Module, latent: Tensor, check: Check) -> Tensor:
    """Return what diffusers' `AutoencoderKL` decodes.

    Args:
        vae: the network.
        latent: [1,C,h,w] in the network's number format.
        check: called before each tile; what it raises ends the work.

    Returns:
        The picture, [1,3,8h,8w] if the network has four levels.
    """
    layers = [vae.get_submodule(name) for name in ("post_quant_conv", "decoder.conv_in", "decoder.mid_block")]
    for level in vae.get_submodule("decoder.up_blocks").children():
        layers += _layers_of(level, "upsamplers")
    layers += [vae.get_submodule(f"decoder.{name}") for name in _LAST]
    resizers = [number for number, layer in enumerate(layers) if isinstance(layer, Upsample2D)]
    cut = resizers[-TILED_LEVELS:][0]
    return _in_tiles(layers[cut:], _at_once(layers[:cut], latent), check)


def encode_in_tiles(vae: nn.Module, picture: Tensor, check: Check) -> Tensor:
    """Return the most likely latent that diffusers' `AutoencoderKL` encodes.

    Args:
        vae: the network.
        picture: [1,3,H,W] in the network's number format.
        check: called before each tile; what it raises ends the work.

    Returns:
        The latent, [1,C,H/8,W/8] if the network has four levels.
    """
    layers = [vae.get_submodule("encoder.conv_in")]
    for level in vae.get_submodule("encoder.down_blocks").children():
        layers += _layers_of(level, "downsamplers")
    layers += [vae.get_submodule(f"encoder.{name}") for name in ("mid_block", *_LAST)]
    layers.append(vae.get_submodule("quant_conv"))
    resizers = [number for number, layer in enumerate(layers) if isinstance(layer, Downsample2D)]
    cut = resizers[:TILED_LEVELS][-1] + 1
    moments = _at_once(layers[cut:], _in_tiles(layers[:cut], picture, check))
    return moments.chunk(2, dim=1)[0]


def _layers_of(level: nn.Module, resizers: str) -> list[nn.Module]:
    """Return the layers of a level in order; the last one resizes, where there is one that does."""
    parts = dict(level.named_children())
    return [*parts["resnets"].children(), *(parts[resizers].children() if resizers in parts else ())]


def _in_tiles(layers: Sequence[nn.Module], whole: Tensor, check: Check) -> Tensor:
    plane = _Plane(layers, whole)
    tiles = plane.grid(TILE)
    if len(tiles) == len(tiles[0]) == 1:
        return _at_once(layers, whole)
    statistics = _Statistics()
    for squares in _spread(plane.grid(SQUARE)):
        check()
        _run(layers, [plane.seen(square) for square in squares], partial(statistics.measure, squares))
    rows: list[Tensor] = []
    for row in tiles:
        made: list[Tensor] = []
        for tile in row:
            check()
            made.append(tile.inside(*_run(layers, [plane.seen(tile)], statistics.apply)))
        rows.append(torch.cat(made, dim=3))
    return torch.cat(rows, dim=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """A stretch of one side of the picture, counted in cells: the values of the coarsest map.

    Attributes:
        start: its first cell.
        stop: the cell after its last one.
        seen_start: the first cell that has to be looked at; below 0 is the other end of the picture.
        seen_stop: the cell after the last one of these; beyond the picture is its beginning.
    """

    start: int
    stop: int
    seen_start: int
    seen_stop: int

    def inside(self, values: int) -> slice:
        """Return where the stretch itself lies in so many values, which are those that were looked at."""
        scale = values // (self.seen_stop - self.seen_start)
        return slice((self.start - self.seen_start) * scale, (self.stop - self.seen_start) * scale)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Area:
    """A rectangle of the picture."""

    rows: _Span
    columns: _Span

    def inside(self, seen: Tensor) -> Tensor:
        """Return the rectangle itself from a map [1,C,h,w] that also shows what is around it."""
        return seen[:, :, self.rows.inside(seen.shape[-2]), self.columns.inside(seen.shape[-1])]


class _Plane:
    """What is given to the tiled levels, and how it can be divided."""

    def __init__(self, layers: Sequence[nn.Module], whole: Tensor) -> None:
        """See how far layers look.

        Args:
            layers: of the tiled levels.
            whole: their input [1,C,h,w].
        """
        self._whole = whole
        # Values per cell: of the input, and of the picture, which is the input or the output.
        self._scale = 2 ** sum(isinstance(layer, Downsample2D) for layer in layers)
        self._px = 2 ** sum(isinstance(layer, (Downsample2D, Upsample2D)) for layer in layers)
        self._around = _reach(layers, self._scale)
        # Where opposite edges fit together, an area at one edge sees the other one.
        self._circular = any(getattr(layer, "padding_mode", "zeros") == "circular" for layer in layers)

    def grid(self, longest: int) -> list[list[_Area]]:
        """Divide the whole into rows of rectangles, as few as can be and none with a side longer than so many px."""
        rows, columns = (self._spans(side // self._scale, max(1, longest // self._px)) for side in self._size)
        return [[_Area(rows=row, columns=column) for column in columns] for row in rows]

    def seen(self, area: _Area) -> Tensor:
        """Return a rectangle with all around it that the layers need."""
        rows, columns = (
            torch.arange(span.seen_start * self._scale, span.seen_stop * self._scale, device=self._whole.device)
            for span in (area.rows, area.columns)
        )
        height, width = self._size
        return self._whole.index_select(2, rows % height).index_select(3, columns % width)

    @property
    def _size(self) -> tuple[int, int]:
        height, width = self._whole.shape[-2:]
        return height, width

    def _spans(self, length: int, longest: int) -> list[_Span]:
        count = math.ceil(length / longest)
        bounds = [round(number * length / count) for number in range(count + 1)]
        lowest, highest = (-self._around, length + self._around) if self._circular else (0, length)
        return [
            _Span(
                start=start,
                stop=stop,
                seen_start=max(lowest, start - self._around),
                seen_stop=min(highest, stop + self._around),
            )
            for start, stop in pairwise(bounds)
        ]


def _reach(layers: Sequence[nn.Module], scale: int) -> int:
    """Return how many cells beyond an area its values depend on; the first map has `scale` values per cell."""
    cells, now = 0.0, float(scale)
    for layer in layers:
        if isinstance(layer, Upsample2D):
            now *= 2
            cells += 1 / now
        elif isinstance(layer, Downsample2D):
            cells += 2 / now
            now /= 2
        elif isinstance(layer, ResnetBlock2D):
            cells += 2 / now
        elif isinstance(layer, nn.Conv2d):
            cells += 1 / now
    return math.ceil(cells)


def _spread(grid: Sequence[Sequence[_Area]]) -> list[list[_Area]]:
    """Share the rectangles of a grid out to sets, each of which is spread over the whole grid."""
    count = math.ceil(len(grid) * len(grid[0]) / SQUARES)
    # A lattice: the next row's set is shifted by the golden ratio, or near it, so that they fall in line late.
    shift = next(step for step in range(max(1, round(0.618 * count)), 2 * count + 1) if math.gcd(step, count) == 1)
    sets: list[list[_Area]] = [[] for _ in range(count)]
    for number, row in enumerate(grid):
        for place, area in enumerate(row):
            sets[(number * shift + place) % count].append(area)
    return [areas for areas in sets if areas]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Moments:
    """Of a map's groups of channels; float32, because squares overflow in float16.

    Attributes:
        mean: [groups].
        variance: [groups].
        count: of values in each group.
    """

    mean: Tensor
    variance: Tensor
    count: int


class _Statistics:
    """How the maps of a picture are normalised."""

    def __init__(self) -> None:
        self._found: dict[nn.GroupNorm, list[_Moments]] = {}

    def measure(self, areas: Sequence[_Area], norm: nn.GroupNorm, maps: list[Tensor]) -> list[Tensor]:
        """Normalise the maps of some areas together, and remember how."""
        insides = (area.inside(seen) for area, seen in zip(areas, maps, strict=True))
        moments = _together(_moments(norm, inside) for inside in insides)
        self._found.setdefault(norm, []).append(moments)
        return _normalised(norm, moments, maps)

    def apply(self, norm: nn.GroupNorm, maps: list[Tensor]) -> list[Tensor]:
        """Normalise the maps of any areas by all that was measured."""
        return _normalised(norm, _together(self._found[norm]), maps)


def _moments(norm: nn.GroupNorm, values: Tensor) -> _Moments:
    groups = values.reshape(norm.num_groups, -1).float()
    variance, mean = torch.var_mean(groups, dim=1, correction=0)
    return _Moments(mean=mean, variance=variance, count=groups.shape[1])


def _together(parts: Iterable[_Moments]) -> _Moments:
    """Return the moments of all values of several parts."""
    known = list(parts)
    count = sum(part.count for part in known)
    means = torch.stack([part.mean for part in known])
    shares = means.new_tensor([part.count / count for part in known])[:, None]
    mean = (shares * means).sum(dim=0)
    variances = torch.stack([part.variance for part in known]) + (means - mean) ** 2
    return _Moments(mean=mean, variance=(shares * variances).sum(dim=0), count=count)


def _normalised(norm: nn.GroupNorm, moments: _Moments, maps: list[Tensor]) -> list[Tensor]:
    weight, bias = (values.float().view(norm.num_groups, -1) for values in (norm.weight, norm.bias))
    scale = weight * torch.rsqrt(moments.variance + norm.eps)[:, None]
    shift = bias - moments.mean[:, None] * scale
    return [(seen * scale.view(1, -1, 1, 1)).add_(shift.view(1, -1, 1, 1)).to(seen.dtype) for seen in maps]


class _Residual(Protocol):
    """The parts of diffusers' `ResnetBlock2D` that an autoencoder has."""

    norm1: nn.GroupNorm
    conv1: nn.Module
    norm2: nn.GroupNorm
    conv2: nn.Module
    conv_shortcut: nn.Module | None
    nonlinearity: nn.Module


def _run(layers: Sequence[nn.Module], maps: list[Tensor], normalise: Normalise) -> list[Tensor]:
    """Return what layers make of the maps [1,C,h,w] of some areas: layer by layer, of all of them at a time."""
    for layer in layers:
        if isinstance(layer, ResnetBlock2D):
            maps = _run_residual(cast("_Residual", layer), maps, normalise)
        elif isinstance(layer, nn.GroupNorm):
            maps = normalise(layer, maps)
        else:
            maps = [layer(seen) for seen in maps]
    return maps


def _run_residual(block: _Residual, maps: list[Tensor], normalise: Normalise) -> list[Tensor]:
    change = [block.conv1(block.nonlinearity(seen)) for seen in normalise(block.norm1, maps)]
    change = [block.conv2(block.nonlinearity(seen)) for seen in normalise(block.norm2, change)]
    kept = maps if block.conv_shortcut is None else [block.conv_shortcut(seen) for seen in maps]
    return [before + by for before, by in zip(kept, change, strict=True)]


def _at_once(layers: Sequence[nn.Module], whole: Tensor) -> Tensor:
    """Return what layers make of a map [1,C,h,w]; each normalises by itself."""
    for layer in layers:
        whole = layer(whole, None) if isinstance(layer, ResnetBlock2D) else layer(whole)
    return whole
