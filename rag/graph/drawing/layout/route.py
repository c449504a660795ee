"""The way of a link from item to item: upright through layers, sideways only between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .columns import ends
from .geometry import Band, Box, Pen, Point, Step
from .layers import Cell, Wire
from .ports import LABEL_HEIGHT, LEAD, Port, Ports

CORNER = 10.0
LAST = 9.0
"""How far a link at least goes straight before its end, which has an arrow."""


@dataclass(frozen=True, slots=True)
class Route:
    """The way of a link.

    Attributes:
        start: where it leaves its source.
        steps: from there to its target.
        label: the middle of its label.
    """

    start: Point
    steps: Sequence[Step]
    label: Point


def routed(
    wire: Wire, x: Mapping[Cell, float], bands: Sequence[Band], boxes: Mapping[str, Box], ports: Ports, label: float
) -> Route:
    """Find the way of a link; `label` is how wide its label is."""
    leave, enter = ports.exits[wire.number], ports.entries[wire.number]
    source, target = boxes[wire.link.source], boxes[wire.link.target]
    is_back = wire.link.back
    past = {cell: x[cell] + away for cell, away in ends(wire, ports)}
    pen = Pen(_touch(source, leave))
    start = pen.at
    if leave.side != "bottom":
        _turn_out(pen, past[wire.cells[0]], up=is_back)
    pen.line(pen.at.x, _far(bands[wire.cells[0].layer], is_back))
    for cell in wire.cells[1:]:
        band = bands[cell.layer]
        pen.slide(past[cell], _near(band, is_back) - (LAST if cell.item and not is_back else 0))
        if not cell.item:
            pen.line(pen.at.x, _far(band, is_back))
    end = _touch(target, enter)
    if enter.side != "top":
        pen.line(pen.at.x, end.y + (CORNER if is_back else -CORNER))
        pen.turn(Point(pen.at.x, end.y), pen.at.x + (CORNER if enter.side == "left" else -CORNER), end.y)
    pen.line(*end)
    return Route(start, pen.steps, _label(source, leave, label))


def _touch(box: Box, port: Port) -> Point:
    """Where a link touches an item."""
    if port.side == "top":
        return Point(box.x + port.x, box.y - box.height / 2)
    if port.side == "bottom":
        return Point(box.x + port.x, box.y + box.height / 2)
    return Point(box.x + box.width / 2 * (-1 if port.side == "left" else 1), box.y + port.y)


def _turn_out(pen: Pen, x: float, *, up: bool) -> None:
    """From a side to where the link leaves the layer."""
    y = pen.at.y
    pen.line(x + (CORNER if x < pen.at.x else -CORNER), y)
    pen.turn(Point(x, y), x, y + (-CORNER if up else CORNER))


def _near(band: Band, is_back: bool) -> float:
    """Where a link comes into a layer."""
    return band.bottom if is_back else band.top


def _far(band: Band, is_back: bool) -> float:
    """Where a link leaves a layer."""
    return band.top if is_back else band.bottom


def _label(source: Box, port: Port, width: float) -> Point:
    if port.side == "bottom":
        return Point(source.x, source.y + source.height / 2 + (LEAD + LABEL_HEIGHT) / 2)
    way = source.width / 2 + LEAD + width / 2
    return Point(source.x + (-way if port.side == "left" else way), source.y + port.y)
