"""Ports once it is known where everything stands: links turn right where they go on, if nothing is in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..picture import Picture
from .columns import BESIDE_LANE
from .layers import Cell, Grid, Wire
from .ports import LABEL_ROOM, Port, Ports, Room


def fitted(picture: Picture, grid: Grid, x: Mapping[Cell, float], ports: Ports) -> Ports:
    """Let links turn farther out, and enter from above or leave from below those that would have to swing back.

    Args:
        picture: what there is to draw.
        grid: its layers, ordered.
        x: how far right the cells stand.
        ports: where links leave and enter as yet.
    """
    fit = _Fit(grid, x, list(ports.exits), list(ports.entries), dict(ports.rooms))
    for wire in grid.wires:
        fit.enter(wire)
    for item in picture.items:
        for group in fit.groups(item.key):
            fit.leave(group, may_leave_below=item.kind == "decision")
    return Ports(fit.exits, fit.entries, fit.rooms)


@dataclass(frozen=True, slots=True)
class _Fit:
    """Ports that are being fitted, and the room that items take with that."""

    grid: Grid
    x: Mapping[Cell, float]
    exits: list[Port]
    entries: list[Port]
    rooms: dict[str, Room]

    def groups(self, key: str) -> list[list[Wire]]:
        """The wires that leave an item at a side, by where they do."""
        groups: dict[Port, list[Wire]] = {}
        for wire in self.grid.leaving.get(key, ()):
            if self.exits[wire.number].side != "bottom":
                groups.setdefault(self.exits[wire.number], []).append(wire)
        return list(groups.values())

    def enter(self, wire: Wire) -> None:
        """Fit the end of a wire, unless others leave at the same side."""
        before, last = wire.cells[-2:]
        port = self.entries[wire.number]
        if port.side in {"top", *(self.exits[other.number].side for other in self.grid.leaving.get(last.item, ()))}:
            return
        wish = self.x[before] + (self.exits[wire.number].x if before.item else 0) - self.x[last]
        swings = _swings(port, wish) and not wire.link.back
        self.entries[wire.number] = Port("top") if swings else self._stretched(port, last, wish)

    def leave(self, group: Sequence[Wire], *, may_leave_below: bool) -> None:
        """Fit the beginning of wires that leave together."""
        wire = group[0]
        first, after = wire.cells[:2]
        port = self.exits[wire.number]
        wish = self.x[after] + (self.entries[wire.number].x if after.item else 0) - self.x[first]
        is_free = all(self.exits[other.number].side != "bottom" for other in self.grid.leaving[first.item])
        if may_leave_below and is_free and not wire.link.back and _swings(port, wish):
            port = Port("bottom")
            room = self.rooms[first.item]
            self.rooms[first.item] = replace(room, below=room.below + LABEL_ROOM)
        elif len(group) == 1:
            port = self._stretched(port, first, wish)
        for each in group:
            self.exits[each.number] = port

    def _stretched(self, port: Port, cell: Cell, wish: float) -> Port:
        """The port with its turn as far out as wished, or as there is room; the item takes what is in between."""
        room = self.rooms[cell.item]
        if port.side == "right":
            far = max(port.x, min(wish, self._free(cell, 1)))
            self.rooms[cell.item] = replace(room, right=max(room.right, far))
        else:
            far = min(port.x, max(wish, -self._free(cell, -1)))
            self.rooms[cell.item] = replace(room, left=max(room.left, -far))
        return replace(port, x=far)

    def _free(self, cell: Cell, way: int) -> float:
        """How far from the middle of a cell one comes before the next one to the right (1) or left (-1)."""
        layer, place = self.grid.layers[cell.layer], self.grid.place[cell] + way
        if not 0 <= place < len(layer):
            return float("inf")
        other = layer[place]
        room = self.rooms.get(other.item, Room())
        return abs(self.x[other] - self.x[cell]) - (room.left if way > 0 else room.right) - BESIDE_LANE


def _swings(port: Port, wish: float) -> bool:
    """Whether a link goes out to its turn and back again."""
    return wish < port.x - 0.5 if port.side == "right" else wish > port.x + 0.5
