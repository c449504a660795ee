"""Which layer of a picture each item stands in, and which layers its links pass through.

The first step of a layered drawing (Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical System
Structures", 1981): an item stands below all that lead to it, and a link over several layers has a lane in each of those
between, so that nothing else is put there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import networkx as nx

from ..picture import Link, Picture

Segment = tuple["Cell", "Cell"]
"""What leads from a cell to one in the next layer."""


class Cell(NamedTuple):
    """A place in a layer: of an item, or a lane in which a link passes by."""

    layer: int
    item: str = ""
    link: int = -1


@dataclass(frozen=True, slots=True)
class Wire:
    """A link as it runs through the layers.

    Attributes:
        number: its place among the links.
        link: the link.
        cells: from its source to its target; upwards if it goes back.
    """

    number: int
    link: Link
    cells: tuple[Cell, ...]

    @property
    def downwards(self) -> tuple[Cell, ...]:
        """The cells from top to bottom."""
        return self.cells[::-1] if self.link.back else self.cells


@dataclass(frozen=True)
class Grid:
    """Items and lanes in layers.

    Attributes:
        layers: from top to bottom; the cells of each from left to right.
        wires: the links, in their order.
    """

    layers: tuple[tuple[Cell, ...], ...]
    wires: tuple[Wire, ...]

    @cached_property
    def place(self) -> Mapping[Cell, int]:
        """How many cells of its layer are left of a cell."""
        return {cell: place for layer in self.layers for place, cell in enumerate(layer)}

    @cached_property
    def leaving(self) -> Mapping[str, Sequence[Wire]]:
        """The wires that leave an item."""
        return _by((wire.link.source, wire) for wire in self.wires)

    @cached_property
    def entering(self) -> Mapping[str, Sequence[Wire]]:
        """The wires that enter an item."""
        return _by((wire.link.target, wire) for wire in self.wires)

    @property
    def segments(self) -> list[Segment]:
        """What leads from a layer to the next."""
        return [pair for wire in self.wires for pair in pairwise(wire.downwards)]


def _by(pairs: Iterable[tuple[str, Wire]]) -> Mapping[str, Sequence[Wire]]:
    found: dict[str, list[Wire]] = {}
    for key, wire in pairs:
        found.setdefault(key, []).append(wire)
    return found


def layered(picture: Picture) -> Grid:
    """Put the items of a picture into layers, and thread its links.

    The cells of a layer stand in the order in which a walk along the links first comes to them; lanes of links that go
    back are to the right.
    """
    layer_of = _layers(picture)
    wires = []
    for number, link in enumerate(picture.links):
        first, last = layer_of[link.source], layer_of[link.target]
        between = range(first - 1, last, -1) if link.back else range(first + 1, last)
        lanes = [Cell(layer, link=number) for layer in between]
        wires.append(Wire(number, link, (Cell(first, link.source), *lanes, Cell(last, link.target))))
    layers: list[list[Cell]] = [[] for _ in range(max(layer_of.values()) + 1)]
    for cell in _walk([Cell(layer_of[item.key], item.key) for item in picture.items], wires):
        layers[cell.layer].append(cell)
    return Grid(tuple(map(tuple, layers)), tuple(wires))


def _layers(picture: Picture) -> dict[str, int]:
    """Each item as far down as the longest way to it; one that little leads to, just above what it leads to."""
    ways = nx.DiGraph()
    ways.add_nodes_from(item.key for item in picture.items)
    ways.add_edges_from((link.source, link.target) for link in picture.links if not link.back)
    generations = list(nx.topological_generations(ways))
    layer_of: dict[str, int] = {key: layer for layer, keys in enumerate(generations) for key in keys}
    for key in (key for keys in reversed(generations) for key in keys):
        if key != picture.items[0].key and ways.out_degree(key) > ways.in_degree(key):
            layer_of[key] = min(layer_of[after] for after in ways[key]) - 1
    used = sorted(set(layer_of.values()))
    return {key: used.index(layer) for key, layer in layer_of.items()}


def _walk(items: Sequence[Cell], wires: Sequence[Wire]) -> list[Cell]:
    """All cells, in the order in which a walk in depth first comes to them."""
    ways = nx.DiGraph()
    ways.add_nodes_from(items)
    for wire in wires:
        if not wire.link.back:
            nx.add_path(ways, wire.cells)
    back = [cell for wire in wires if wire.link.back for cell in wire.cells[1:-1]]
    return [*nx.dfs_preorder_nodes(ways), *back]
