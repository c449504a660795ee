"""Where exactly links leave and enter items, and how much room an item takes with that.

A link that leaves at a side turns when its label is past, one that enters at a side has turned before. The way between
the item and that turn is part of the item's room, so nothing else is put there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..picture import Picture
from .geometry import Size
from .layers import Grid, Wire
from .sides import Side, Sides

LABEL_HEIGHT = 18.0
LEAD = 12.0
"""What is seen of a line before and after its label."""
LABEL_ROOM = LABEL_HEIGHT + LEAD / 2
"""What a label below an item takes."""
ENTRY = 28.0
"""How far from an item a link turns to enter it at a side."""
SPREAD = 26.0
"""Between links that arrive at a join."""


@dataclass(frozen=True, slots=True)
class Port:
    """Where a link leaves or enters an item, from the item's middle.

    Attributes:
        side: of the item.
        x: where the link leaves or enters the layer.
        y: where it touches a side.
    """

    side: Side
    x: float = 0.0
    y: float = 0.0


@dataclass(frozen=True, slots=True)
class Room:
    """How far an item reaches from its middle, with its ports."""

    left: float = 0.0
    right: float = 0.0
    above: float = 0.0
    below: float = 0.0


@dataclass(frozen=True, slots=True)
class Ports:
    """Where links leave and enter, by their numbers; and the room of items, by their keys."""

    exits: Sequence[Port]
    entries: Sequence[Port]
    rooms: Mapping[str, Room]


def ported(picture: Picture, grid: Grid, where: Sides, sizes: Mapping[str, Size], labels: Sequence[float]) -> Ports:
    """Place the ends of links.

    Args:
        picture: what there is to draw.
        grid: its layers, ordered.
        where: at which sides links leave and enter.
        sizes: how big each item is.
        labels: how wide the label of each link is; 0 where there is none.
    """
    exits: list[Port] = []
    entries: list[Port] = []
    for wire, leave, enter, label in zip(grid.wires, where.exits, where.entries, labels, strict=True):
        exits.append(_at(leave, sizes[wire.link.source], label + 2 * LEAD))
        entries.append(_at(enter, sizes[wire.link.target], ENTRY))
    for item in picture.items:
        entering = grid.entering.get(item.key, ())
        if item.kind == "join":
            _spread(entries, sorted(entering, key=lambda wire: grid.place[wire.cells[-2]]))
        for side in ("left", "right"):
            out = [wire.number for wire in grid.leaving.get(item.key, ()) if exits[wire.number].side == side]
            into = [wire.number for wire in entering if entries[wire.number].side == side]
            if out and into:
                _part(exits, out, -sizes[item.key].height / 4)
                _part(entries, into, sizes[item.key].height / 4)
    rooms = {item.key: _room(item.key, grid, sizes[item.key], exits, entries, labels) for item in picture.items}
    return Ports(exits, entries, rooms)


def _at(side: Side, size: Size, way: float) -> Port:
    """A port from which it is so far to the turn."""
    beside = size.width / 2 + way
    return Port(side, {"left": -beside, "right": beside}.get(side, 0.0))


def _spread(entries: list[Port], arriving: Sequence[Wire]) -> None:
    """Side by side, as they come."""
    for place, wire in enumerate(arriving):
        entries[wire.number] = replace(entries[wire.number], x=SPREAD * (place - (len(arriving) - 1) / 2))


def _part(ports: list[Port], numbers: Sequence[int], y: float) -> None:
    """At one side, links that leave and links that enter do not meet."""
    for number in numbers:
        ports[number] = replace(ports[number], y=y)


def _room(
    key: str, grid: Grid, size: Size, exits: Sequence[Port], entries: Sequence[Port], labels: Sequence[float]
) -> Room:
    leaving = [wire.number for wire in grid.leaving.get(key, ())]
    label = max((labels[number] for number in leaving if exits[number].side == "bottom"), default=0.0)
    ports = [*(exits[number] for number in leaving), *(entries[wire.number] for wire in grid.entering.get(key, ()))]
    half = max(size.width, label) / 2
    return Room(
        left=max(half, *(-port.x for port in ports)),
        right=max(half, *(port.x for port in ports)),
        above=size.height / 2,
        below=size.height / 2 + (LABEL_ROOM if label else 0),
    )
