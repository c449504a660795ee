"""Where everything of a picture is drawn: a layered layout from top to bottom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..picture import Picture
from .columns import ends, horizontally
from .crossings import ordered
from .fitting import fitted
from .geometry import Band, Box, Size
from .layers import Cell, Grid, layered
from .ports import Ports, Room, ported
from .route import Route, routed
from .sides import sides
from .straight import straight

CHANNEL = 30.0
"""At least so much is between layers."""
STEEPNESS = 0.12
"""The wider a way goes sideways between two layers, the farther they are apart."""
WIDEST_CHANNEL = 84.0


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is drawn, from (0, 0) on.

    Attributes:
        boxes: of the items, by their keys.
        routes: of the links, in their order.
        size: of the whole.
    """

    boxes: Mapping[str, Box]
    routes: Sequence[Route]
    size: Size


def laid_out(picture: Picture, sizes: Mapping[str, Size], labels: Sequence[float]) -> Layout:
    """Lay out a picture.

    Args:
        picture: what there is to draw.
        sizes: how big each item is.
        labels: how wide the label of each link is; 0 where there is none.
    """
    grid = ordered(layered(picture))
    columns = straight(picture, grid)
    ports = ported(picture, grid, sides(picture, grid, columns), sizes, labels)
    x = horizontally(grid, columns, ports)
    ports = fitted(picture, grid, x, ports)
    left = min(at - ports.rooms.get(cell.item, Room()).left for cell, at in x.items())
    right = max(at + ports.rooms.get(cell.item, Room()).right for cell, at in x.items())
    x = {cell: at - left for cell, at in x.items()}
    bands = _bands(grid, x, ports)
    boxes = {
        cell.item: Box(at, bands[cell.layer].middle, sizes[cell.item].width, sizes[cell.item].height)
        for cell, at in x.items()
        if cell.item
    }
    routes = [routed(wire, x, bands, boxes, ports, labels[wire.number]) for wire in grid.wires]
    return Layout(boxes, routes, Size(right - left, bands[-1].bottom))


def _bands(grid: Grid, x: Mapping[Cell, float], ports: Ports) -> list[Band]:
    sideways = [0.0] * len(grid.layers)
    for wire in grid.wires:
        for (upper, upper_x), (lower, lower_x) in pairwise(ends(wire, ports)):
            sideways[upper.layer] = max(sideways[upper.layer], abs(x[upper] + upper_x - x[lower] - lower_x))
    bands: list[Band] = []
    top = 0.0
    for layer, wide in zip(grid.layers, sideways, strict=True):
        rooms = [ports.rooms[cell.item] for cell in layer if cell.item]
        middle = top + max(room.above for room in rooms)
        bands.append(Band(top, middle, middle + max(room.below for room in rooms)))
        top = bands[-1].bottom + min(CHANNEL + STEEPNESS * wide, WIDEST_CHANNEL)
    return bands
