"""What the files of networks that were pruned from SDXL hold: names of weights in sgm's layout and their shapes.

Which residual blocks and transformers are left is published: SDXL in arXiv:2307.01952, SSD-1B and Segmind Vega in
arXiv:2401.02677, KOALA in arXiv:2312.04005. The names are written down by hand, not taken from the code under test.
"""

from collections.abc import Sequence
from dataclasses import dataclass

Shapes = dict[str, tuple[int, ...]]

WIDTHS = (320, 640, 1280)
TIME, CONTEXT, VECTOR = 1280, 2048, 2816


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """A network.

    Attributes:
        name: of the model.
        down: depths of the transformers after each residual block, level by level.
        middle: depth of the middle's transformer, 0 for a middle of one residual block alone, None for no middle.
        up: as `down`, from the last level to the first.
        billions: of parameters, the digits that are published.
    """

    name: str
    down: tuple[tuple[int, ...], ...]
    middle: int | None
    up: tuple[tuple[int, ...], ...]
    billions: str

    def shapes(self) -> Shapes:
        """Return its weights below `model.diffusion_model.`."""
        found = _Names()
        found.add("time_embed.0", TIME, WIDTHS[0])
        found.add("time_embed.2", TIME, TIME)
        found.add("label_emb.0.0", TIME, VECTOR)
        found.add("label_emb.0.2", TIME, TIME)
        found.add("input_blocks.0.0", WIDTHS[0], 4, 3, 3)
        skips, width = _add_way_down(found, self.down)
        if self.middle is not None:
            found.add_residual("middle_block.0", width, width)
        if self.middle:
            found.add_transformer("middle_block.1", width, self.middle)
            found.add_residual("middle_block.2", width, width)
        _add_way_up(found, self.up, skips, width)
        found.add("out.0", WIDTHS[0])
        found.add("out.2", 4, WIDTHS[0], 3, 3)
        return found.shapes


SDXL = Pruned(
    name="SDXL",
    down=((0, 0), (2, 2), (10, 10)),
    middle=10,
    up=((10, 10, 10), (2, 2, 2), (0, 0, 0)),
    billions="2.567",
)
SSD_1B = Pruned(
    name="SSD-1B",
    down=((0, 0), (2, 2), (4, 4)),
    middle=0,
    up=((4, 4, 10), (2, 1, 1), (0, 0, 0)),
    billions="1.3",
)
VEGA = Pruned(
    name="Segmind Vega",
    down=((0, 0), (1, 1), (2, 2)),
    middle=0,
    up=((2, 2, 2), (1, 1, 1), (0, 0, 0)),
    billions="0.74",
)
KOALA_1B = Pruned(
    name="KOALA-1B",
    down=((0,), (2,), (6,)),
    middle=6,
    up=((6, 6), (2, 2), (0, 0)),
    billions="1.161",
)
KOALA_700M = Pruned(
    name="KOALA-700M",
    down=((0,), (2,), (5,)),
    middle=None,
    up=((5, 5), (2, 2), (0, 0)),
    billions="0.782",
)


PRUNED = (SSD_1B, VEGA, KOALA_1B, KOALA_700M)


class _Names:
    """Writes down layers."""

    def __init__(self) -> None:
        self.shapes: Shapes = {}

    def add(self, name: str, *shape: int, bias: bool = True) -> None:
        self.shapes[f"{name}.weight"] = shape
        if bias:
            self.shapes[f"{name}.bias"] = shape[:1]

    def add_residual(self, name: str, into: int, out: int) -> None:
        self.add(f"{name}.in_layers.0", into)
        self.add(f"{name}.in_layers.2", out, into, 3, 3)
        self.add(f"{name}.emb_layers.1", out, TIME)
        self.add(f"{name}.out_layers.0", out)
        self.add(f"{name}.out_layers.3", out, out, 3, 3)
        if into != out:
            self.add(f"{name}.skip_connection", out, into, 1, 1)

    def add_transformer(self, name: str, width: int, depth: int) -> None:
        self.add(f"{name}.norm", width)
        self.add(f"{name}.proj_in", width, width)
        for block in (f"{name}.transformer_blocks.{number}" for number in range(depth)):
            for attention, seen in (("attn1", width), ("attn2", CONTEXT)):
                self.add(f"{block}.{attention}.to_q", width, width, bias=False)
                self.add(f"{block}.{attention}.to_k", width, seen, bias=False)
                self.add(f"{block}.{attention}.to_v", width, seen, bias=False)
                self.add(f"{block}.{attention}.to_out.0", width, width)
            self.add(f"{block}.ff.net.0.proj", 8 * width, width)
            self.add(f"{block}.ff.net.2", width, 4 * width)
            for number in (1, 2, 3):
                self.add(f"{block}.norm{number}", width)
        self.add(f"{name}.proj_out", width, width)


def _add_way_down(found: _Names, levels: Sequence[Sequence[int]]) -> tuple[list[int], int]:
    """Return the widths of what is passed to the way up, and the last one."""
    skips, width, index = [WIDTHS[0]], WIDTHS[0], 1
    for level, depths in enumerate(levels):
        for depth in depths:
            found.add_residual(f"input_blocks.{index}.0", width, WIDTHS[level])
            width = WIDTHS[level]
            if depth:
                found.add_transformer(f"input_blocks.{index}.1", width, depth)
            skips.append(width)
            index += 1
        if level < len(levels) - 1:
            found.add(f"input_blocks.{index}.0.op", width, width, 3, 3)
            skips.append(width)
            index += 1
    return skips, width


def _add_way_up(found: _Names, levels: Sequence[Sequence[int]], skips: list[int], width: int) -> None:
    index = 0
    for level, depths in zip(reversed(range(len(levels))), levels, strict=True):
        for number, depth in enumerate(depths):
            found.add_residual(f"output_blocks.{index}.0", width + skips.pop(), WIDTHS[level])
            width = WIDTHS[level]
            if depth:
                found.add_transformer(f"output_blocks.{index}.1", width, depth)
            if level and number == len(depths) - 1:
                found.add(f"output_blocks.{index}.{2 if depth else 1}.conv", width, width, 3, 3)
            index += 1
