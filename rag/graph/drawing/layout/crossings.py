"""In which order the cells of a layer stand, so that few links cross.

Barycentre sweeps: down and up again and again, the cells of each layer are sorted by the mean place of those that they
are linked with in the layer before (Sugiyama, Tagawa and Toda, 1981). The order with the fewest crossings is kept.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from .layers import Cell, Grid

SWEEPS = 16
PATIENCE = 4
"""After so many sweeps without a gain the search ends."""

Beside = Mapping[Cell, Sequence[Cell]]
"""For each cell those that it is linked with in a layer beside its own."""


def ordered(grid: Grid) -> Grid:
    """The same grid, its layers ordered such that few links cross."""
    above: dict[Cell, list[Cell]] = {}
    below: dict[Cell, list[Cell]] = {}
    for upper, lower in grid.segments:
        below.setdefault(upper, []).append(lower)
        above.setdefault(lower, []).append(upper)
    layers = [list(layer) for layer in grid.layers]
    best, fewest, vain = grid.layers, _count(layers, below), 0
    for sweep in range(SWEEPS):
        if fewest == 0 or vain == PATIENCE:
            break
        is_downwards = sweep % 2 == 0
        places = range(1, len(layers)) if is_downwards else range(len(layers) - 2, -1, -1)
        for place in places:
            beside, other = (above, layers[place - 1]) if is_downwards else (below, layers[place + 1])
            layers[place] = _sorted(layers[place], other, beside)
        found = _count(layers, below)
        if found < fewest:
            best, fewest, vain = tuple(map(tuple, layers)), found, 0
        else:
            vain += 1
    return replace(grid, layers=tuple(map(tuple, best)))


def _count(layers: Sequence[Sequence[Cell]], below: Beside) -> int:
    total = 0
    for upper, lower in pairwise(layers):
        place = {cell: number for number, cell in enumerate(lower)}
        passed: list[int] = []
        for cell in upper:
            ends = [place[each] for each in below.get(cell, ())]
            total += sum(len(passed) - bisect_right(passed, end) for end in ends)
            for end in ends:
                insort(passed, end)
    return total


def _sorted(layer: Sequence[Cell], other: Sequence[Cell], beside: Beside) -> list[Cell]:
    """A layer by the mean place of what its cells are linked with; those without links keep their place."""
    place = {cell: float(number) for number, cell in enumerate(other)}
    means = {cell: sum(place[each] for each in cells) / len(cells) for cell in layer if (cells := beside.get(cell))}
    moving = iter(sorted(means, key=means.__getitem__))
    return [next(moving) if cell in means else cell for cell in layer]
