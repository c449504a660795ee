"""Points, boxes and ways on paper: x to the right, y downwards, in pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Point(NamedTuple):
    """A point."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Size:
    """How big something is."""

    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Box:
    """Where an item is drawn: its middle, and how big it is."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Band:
    """Where a layer is."""

    top: float
    middle: float
    bottom: float


Step = tuple[Point, ...]
"""The next point of a straight line; or of a Bézier curve, after its two control points."""


@dataclass(slots=True)
class Pen:
    """Draws a way.

    Attributes:
        at: where it is.
        steps: what it has drawn.
    """

    at: Point
    steps: list[Step] = field(default_factory=list)

    def line(self, x: float, y: float) -> None:
        """Straight on."""
        if (x, y) != self.at:
            self._draw(Point(x, y))

    def slide(self, x: float, y: float) -> None:
        """Up or down and sideways as well, upright at both ends."""
        half = (self.at.y + y) / 2
        if abs(self.at.x - x) < 0.5:
            self.line(x, y)
        else:
            self._draw(Point(self.at.x, half), Point(x, half), Point(x, y))

    def turn(self, corner: Point, x: float, y: float) -> None:
        """Around a corner."""
        first = Point((self.at.x + corner.x) / 2, (self.at.y + corner.y) / 2)
        self._draw(first, Point((x + corner.x) / 2, (y + corner.y) / 2), Point(x, y))

    def _draw(self, *step: Point) -> None:
        self.steps.append(step)
        self.at = step[-1]
