"""How far right each cell stands.

Cells that are linked by what runs straight down form a column and move together. Columns are first packed to the left;
then each is drawn towards what it is linked with, pushing along those that it touches, until nothing moves any more.
That makes the sum of the squared sideways ways of links small.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, pairwise

import networkx as nx

from .layers import Cell, Grid, Segment, Wire
from .ports import Ports, Room
from .straight import passes_by

BETWEEN_ITEMS = 36.0
BESIDE_LANE = 22.0
ROUNDS = 200
STILL = 0.25
"""A column that would move less than that stays."""
FARTHEST_REACH = 150.0
"""A column is not moved farther than that for a link that turns."""


@dataclass(slots=True)
class _Columns:
    """Columns by their numbers.

    Attributes:
        x: where they are.
        pulls: for each those that it is linked with, how strongly, and how far right of them it would like to be.
        left: for each those left of it, and how far away they have to be.
        right: for each those right of it.
    """

    x: list[float]
    pulls: list[list[tuple[int, float, float]]]
    left: list[dict[int, float]]
    right: list[dict[int, float]]

    def settle(self) -> None:
        """Move columns until nothing moves any more."""
        self._pack()
        for _ in range(ROUNDS):
            moved = [self._move(number, way) for number in range(len(self.x)) for way in (-1, 1)]
            if not any(moved):
                break

    def _pack(self) -> None:
        order = nx.DiGraph()
        order.add_nodes_from(range(len(self.x)))
        order.add_edges_from((number, other) for number, others in enumerate(self.right) for other in others)
        for number in nx.topological_sort(order):
            self.x[number] = max((self.x[other] + away for other, away in self.left[number].items()), default=0.0)

    def _move(self, number: int, way: int) -> bool:
        """Move a column and those that it touches to the right (1) or left (-1), if they want to go there together."""
        group = self._touched(number, way)
        strength = wish = 0.0
        for member in group:
            for other, weight, away in self.pulls[member]:
                if other not in group:
                    strength += weight
                    wish += weight * (self.x[other] + away - self.x[member])
        if not strength or wish / strength * way < STILL:
            return False
        step = min([wish / strength * way, *self._slack(group, way)])
        for member in group:
            self.x[member] += step * way
        return step >= STILL

    def reach(self, number: int, x: float, outwards: float) -> None:
        """Move a column out to where a link turns, with those that it touches: then the link need not swing back."""
        way = 1 if outwards > 0 else -1
        lacking = (x - self.x[number]) * way if outwards else 0.0
        while STILL < lacking < FARTHEST_REACH:
            group = self._touched(number, way)
            step = min([lacking, *self._slack(group, way)])
            for member in group:
                self.x[member] += step * way
            lacking -= step

    def _touched(self, number: int, way: int) -> set[int]:
        group, waiting = {number}, [number]
        beside = self.right if way > 0 else self.left
        while waiting:
            member = waiting.pop()
            for other, away in beside[member].items():
                if other not in group and (self.x[other] - self.x[member]) * way - away < STILL:
                    group.add(other)
                    waiting.append(other)
        return group

    def _slack(self, group: set[int], way: int) -> Iterator[float]:
        beside = self.right if way > 0 else self.left
        for member in group:
            for other, away in beside[member].items():
                if other not in group:
                    yield (self.x[other] - self.x[member]) * way - away


def horizontally(grid: Grid, straight: Iterable[Segment], ports: Ports) -> dict[Cell, float]:
    """Where the middle of each cell is."""
    number_of = _numbered(grid, straight)
    numbers = range(max(number_of.values()) + 1)
    columns = _Columns([0.0 for _ in numbers], [[] for _ in numbers], [{} for _ in numbers], [{} for _ in numbers])
    for layer in grid.layers:
        for left, right in pairwise(layer):
            one, other, away = number_of[left], number_of[right], _apart(left, right, ports.rooms)
            columns.right[one][other] = columns.left[other][one] = max(away, columns.right[one].get(other, 0))
    for wire in grid.wires:
        for (upper, upper_x), (lower, lower_x) in pairwise(ends(wire, ports)):
            one, other = number_of[upper], number_of[lower]
            if one != other:
                weight = _weight(wire, upper, lower, ports)
                columns.pulls[other].append((one, weight, upper_x - lower_x))
                columns.pulls[one].append((other, weight, lower_x - upper_x))
    columns.settle()
    for wire in grid.wires:  # an item moves for what leaves at a side; for what enters there, only a lane does
        for (upper, upper_x), (lower, lower_x) in pairwise(ends(wire, ports)):
            columns.reach(number_of[lower], columns.x[number_of[upper]] + upper_x, upper_x)
            if not upper.item:
                columns.reach(number_of[upper], columns.x[number_of[lower]] + lower_x, lower_x)
    return {cell: columns.x[number] for cell, number in number_of.items()}


def ends(wire: Wire, ports: Ports) -> list[tuple[Cell, float]]:
    """The cells of a link from top to bottom, and how far right of its middle the link passes each."""
    past = [0.0] * len(wire.cells)
    past[0], past[-1] = ports.exits[wire.number].x, ports.entries[wire.number].x
    cells = list(zip(wire.cells, past, strict=True))
    return cells[::-1] if wire.link.back else cells


def _numbered(grid: Grid, straight: Iterable[Segment]) -> dict[Cell, int]:
    """The number of each cell's column."""
    above = {lower: upper for upper, lower in straight}
    numbers: dict[Cell, int] = {}
    new = count()
    for layer in grid.layers:
        for cell in layer:
            numbers[cell] = numbers[above[cell]] if cell in above else next(new)
    return numbers


def _apart(left: Cell, right: Cell, rooms: Mapping[str, Room]) -> float:
    gap = BETWEEN_ITEMS if left.item and right.item else BESIDE_LANE
    return rooms.get(left.item, Room()).right + gap + rooms.get(right.item, Room()).left


def _weight(wire: Wire, upper: Cell, lower: Cell, ports: Ports) -> float:
    """How much it matters that a segment is short: ways that go back or pass by shall not bend the others."""
    if wire.link.back:
        return 0.05
    if passes_by(wire, upper) or passes_by(wire, lower):
        return 0.2
    return 4.0 if upper.item and ports.exits[wire.number].x else 1.0
