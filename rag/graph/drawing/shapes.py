"""How big items are drawn, and the lines of text in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .layout.geometry import Size
from .layout.ports import SPREAD
from .picture import Item
from .text import at_most, fill, shorten, text_width

Ink = Literal["name", "note", "figure"]

NAME_SIZE = 14.0
NOTE_SIZE = 11.5
LABEL_SIZE = 11.5
WIDEST_TEXT = 230.0
WIDEST_CONDITION = 190.0
PADDING = Size(16, 11)
BAR = 7.0


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text.

    Attributes:
        text: what it says.
        size: of the type.
        ink: what it is.
        bold: whether it is bold.
    """

    text: str
    size: float
    ink: Ink
    bold: bool = False

    @property
    def height(self) -> float:
        """From this line to the next."""
        return round(self.size * 1.35)

    @property
    def width(self) -> float:
        """About how wide it is."""
        return text_width(self.text, self.size, bold=self.bold)


@dataclass(frozen=True, slots=True)
class Shape:
    """An item's size and its text."""

    size: Size
    lines: tuple[Line, ...] = ()

    @property
    def text_height(self) -> float:
        """Of all lines."""
        return sum(line.height for line in self.lines)


def shape(item: Item, arriving: int) -> Shape:
    """The shape of an item at which so many links arrive."""
    if item.kind == "join":
        return Shape(Size(SPREAD * (arriving - 1) + 40, BAR))
    if item.kind == "decision":
        return _rhomb(item)
    if item.kind == "terminal":
        line = Line(item.name, 12.5, "name", bold=True)
        return Shape(Size(line.width + 40, 30), (line,))
    lines = (
        *(Line(text, NAME_SIZE, "name", bold=True) for text in _name(item.name)),
        *(Line(text, NOTE_SIZE, "note") for text in at_most(fill(item.notes, " · ", NOTE_SIZE, WIDEST_TEXT), 3)),
        *(Line(text, NOTE_SIZE, "figure") for text in fill(item.figures, " · ", NOTE_SIZE, WIDEST_TEXT)),
    )
    width = max(72.0, *(line.width for line in lines)) + 2 * PADDING.width
    return Shape(Size(width, sum(line.height for line in lines) + 2 * PADDING.height), lines)


def label_width(label: str) -> float:
    """How wide the label of a link is drawn; 0 where there is none."""
    return text_width(label, LABEL_SIZE) + 12 if label else 0.0


def _name(name: str) -> list[str]:
    """In two lines if it does not fit in one."""
    pieces = [f"{piece}_" for piece in name.split("_")]
    pieces[-1] = pieces[-1][:-1]
    lines = fill(pieces, "", NAME_SIZE, WIDEST_TEXT, bold=True)
    rest = name.removeprefix(lines[0])
    return lines if len(lines) < 3 else [lines[0], shorten(rest, NAME_SIZE, WIDEST_TEXT, bold=True)]


def _rhomb(item: Item) -> Shape:
    """Just big enough that the corners of its text lie within."""
    lines = tuple(
        Line(text, 12.5, "name") for text in at_most(fill(item.name.split(" "), " ", 12.5, WIDEST_CONDITION), 3)
    )
    wide, high = max(line.width for line in lines) + 12, sum(line.height for line in lines)
    height = high * 1.9 + 22
    return Shape(Size(max(96.0, wide / (1 - high / height)), height), lines)
