"""At which side of an item a link leaves and enters: the one where it goes to or comes from.

What has no label leaves from below. A decision lets one of its ways out below and the others at its corners; the way to
a fallback leaves at a side. What goes back enters at a side, and so does what comes in beside a link that runs straight
down; everything else enters from above.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from ..picture import Picture
from .layers import Cell, Grid, Segment, Wire

Side = Literal["top", "bottom", "left", "right"]

_OPPOSITE: dict[Side, Side] = {"left": "right", "right": "left"}


@dataclass(frozen=True, slots=True)
class Sides:
    """Where links leave and enter, by their numbers."""

    exits: Sequence[Side]
    entries: Sequence[Side]


def sides(picture: Picture, grid: Grid, columns: Collection[Segment]) -> Sides:
    """Decide for layers that are ordered; `columns` is what runs straight down."""
    exits: list[Side] = ["bottom"] * len(grid.wires)
    for item in picture.items:
        groups = _groups(item.key, grid)
        chosen = _of_decision(groups, grid, columns) if item.kind == "decision" else _of_node(groups, grid)
        for group, side in zip(groups, chosen, strict=True):
            for wire in group:
                exits[wire.number] = side
    straight = {lower: upper for upper, lower in columns}
    ends = {item.key for item in picture.items if item.kind in {"node", "terminal"}}
    entries: list[Side] = []
    for wire in grid.wires:
        above = straight.get(wire.cells[-1]) if wire.link.target in ends else None
        entries.append(_entry_back(wire, grid, exits) if wire.link.back else _entry(wire, grid, exits, above))
    return Sides(exits, entries)


def _groups(key: str, grid: Grid) -> list[list[Wire]]:
    """The wires that leave an item together, other than those that simply go on."""
    groups: dict[tuple[str, bool], list[Wire]] = {}
    for wire in grid.leaving.get(key, ()):
        if wire.link.label or wire.link.back:
            groups.setdefault((wire.link.way, wire.link.back), []).append(wire)
    return list(groups.values())


def _of_node(groups: Sequence[Sequence[Wire]], grid: Grid) -> list[Side]:
    found: list[Side] = []
    for group in groups:
        side = _towards(group, grid)
        found.append(_OPPOSITE[side] if side in found else side)
    return found


def _of_decision(groups: Sequence[Sequence[Wire]], grid: Grid, columns: Collection[Segment]) -> list[Side]:
    """The way back at its side; of two ways ahead, what runs straight from below, the other at its side."""
    found = {place: _towards(group, grid) for place, group in enumerate(groups) if group[0].link.back}
    free: list[Side] = [side for side in _OPPOSITE if side not in found.values()]
    ahead = sorted(set(range(len(groups))) - set(found), key=lambda place: _mean(_heads(groups[place]), grid))
    below = next((place for place in ahead if any(wire.cells[:2] in columns for wire in groups[place])), None)
    if len(ahead) == 1 or (below is None and len(free) == 1):
        below = ahead[-1] if free[0] == "left" else ahead[0]
    for place, natural in zip(ahead, _OPPOSITE, strict=False):
        if place != below:
            found[place] = natural if natural in free else free[0]
    return [found.get(place, "bottom") for place in range(len(groups))]


def _entry(wire: Wire, grid: Grid, exits: Sequence[Side], above: Cell | None) -> Side:
    """From above; at a side if something else comes straight from above."""
    before = wire.cells[-2]
    if above is None:
        return "top"
    if before == above:
        return "top" if exits[wire.number] == "bottom" or not before.item else exits[wire.number]
    side: Side = "left" if grid.place[before] < grid.place[above] else "right"
    is_taken = any(exits[other.number] == side for other in grid.leaving.get(wire.link.target, ()))
    return "top" if is_taken else side


def _entry_back(wire: Wire, grid: Grid, exits: Sequence[Side]) -> Side:
    *_, before, last = wire.cells
    if before.item:
        return exits[wire.number]
    below = [other.cells[1] for other in grid.leaving.get(last.item, ()) if not other.link.back]
    return "left" if below and grid.place[before] < _mean(below, grid) else "right"


def _towards(group: Sequence[Wire], grid: Grid) -> Side:
    """Whether wires lead to the left or to the right of what their source is linked with in the same layer."""
    key = group[0].link.source
    if group[0].link.back:
        around = [wire.cells[-2] for wire in grid.entering.get(key, ()) if not wire.link.back]
    else:
        around = [wire.cells[1] for wire in grid.leaving.get(key, ()) if not wire.link.back and not wire.link.label]
    return "left" if around and _mean(_heads(group), grid) < _mean(around, grid) else "right"


def _heads(group: Sequence[Wire]) -> list[Cell]:
    """The cells that wires come to first."""
    return [wire.cells[1] for wire in group]


def _mean(cells: Sequence[Cell], grid: Grid) -> float:
    return sum(grid.place[cell] for cell in cells) / len(cells)
