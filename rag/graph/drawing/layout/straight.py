"""Which links run straight down: both ends of such a segment stand in one column.

As in Brandes and Köpf, "Fast and Simple Horizontal Coordinate Assignment" (2001), a cell is aligned with the middle one
of those above it and of those below it if they think the same of it, and lanes come first. Unlike there, an even number
has no middle: a fork stands centred above its branches. And a way past some items does not count beside the way through
them, so that the main line stays straight where a decision may jump ahead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..picture import Picture
from .layers import Cell, Grid, Segment, Wire


@dataclass(frozen=True, slots=True)
class _Beside:
    """What a cell is linked with in the layer above or below: the cells that count, and those that pass by."""

    major: list[Cell] = field(default_factory=list)
    minor: list[Cell] = field(default_factory=list)

    def middle(self, place: Mapping[Cell, int]) -> Cell | None:
        """The cell to stand in one column with."""
        cells = sorted(dict.fromkeys(self.major or self.minor), key=place.__getitem__)
        return cells[len(cells) // 2] if len(cells) % 2 else None


def straight(picture: Picture, grid: Grid) -> frozenset[Segment]:
    """The segments whose ends stand in one column; no two of them cross."""
    chosen: set[Segment] = set()
    taken: list[list[tuple[int, int]]] = [[] for _ in grid.layers]
    lanes = [(upper, lower) for upper, lower in grid.segments if not upper.item and not lower.item]
    middles = list(_middles(picture, grid))
    between_items = [(upper, lower) for upper, lower in middles if upper.item and lower.item]
    for upper, lower in [*between_items, *lanes, *middles]:
        ends = grid.place[upper], grid.place[lower]
        if (upper, lower) not in chosen and all(
            (ends[0] - other[0]) * (ends[1] - other[1]) > 0 for other in taken[upper.layer]
        ):
            taken[upper.layer].append(ends)
            chosen.add((upper, lower))
    return frozenset(chosen)


def _middles(picture: Picture, grid: Grid) -> Iterator[Segment]:
    joins = {item.key for item in picture.items if item.kind == "join"}
    above: dict[Cell, _Beside] = {}
    below: dict[Cell, _Beside] = {}
    for wire in grid.wires:
        if wire.link.back or wire.link.way == "error":
            continue
        first, second = wire.cells[:2]
        before, last = wire.cells[-2:]
        leaving = below.setdefault(first, _Beside())
        (leaving.minor if passes_by(wire, second) else leaving.major).append(second)
        entering = above.setdefault(last, _Beside())
        is_minor = passes_by(wire, before) and last.item not in joins
        (entering.minor if is_minor else entering.major).append(before)
        for upper, lane, lower in zip(wire.cells, wire.cells[1:], wire.cells[2:], strict=False):
            above[lane], below[lane] = _Beside([upper]), _Beside([lower])
    for upper, after in below.items():
        lower_middle = after.middle(grid.place)
        if lower_middle is not None and above[lower_middle].middle(grid.place) == upper:
            yield upper, lower_middle


def passes_by(wire: Wire, cell: Cell) -> bool:
    """Whether a link, at its source or target beside `cell`, does not count: of a fallback, or jumping ahead."""
    return wire.link.way == "instead" or (wire.link.way in {"yes", "no"} and not cell.item)
