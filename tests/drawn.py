"""Reading pictures of graphs: what is drawn where in an SVG, what a Mermaid text says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import NamedTuple
from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"

_MOVE = re.compile(r"translate\(([\d.]+) ([\d.]+)\)")
_STEP = re.compile(r"([MLC])([^MLCZ]*)")
_MERMAID_ITEM = re.compile(r'    (\w+)(\(\["|\["|\{"|\(\(")(.*?)("\]\)|"\]|"\}|"\)\))')
_MERMAID_LINK = re.compile(r'    (\w+) (-->|-\.->)(?:\|"(.*)"\|)? (\w+)')


class Box(NamedTuple):
    """From the left, upper to the right, lower corner."""

    left: float
    top: float
    right: float
    bottom: float

    def holds(self, x: float, y: float) -> bool:
        """Whether a point is well inside."""
        return self.left + 1 < x < self.right - 1 and self.top + 1 < y < self.bottom - 1

    def meets(self, other: Box) -> bool:
        """Whether they have a part in common."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


Way = list[tuple[float, float]]


def faults(boxes: Mapping[str, Box], labels: Sequence[tuple[str, Box]], ways: Sequence[Way], frame: Box) -> list[str]:
    """What a reader would stumble over; `ways` are points along links, a few pixels apart."""
    areas = [*boxes.items(), *labels]
    found = [
        f"{one} and {other} lie over each other" for one, other in combinations(areas, 2) if one[1].meets(other[1])
    ]
    found += [f"{area} lies outside" for area in areas if not (frame.holds(*area[1][:2]) and frame.holds(*area[1][2:]))]
    for way in ways:
        through = [name for name, box in boxes.items() if any(box.holds(*point) for point in way)]
        found += [f"a link from {way[0]} to {way[-1]} runs through {name}" for name in through]
        if not all(frame.holds(*point) for point in way):
            found.append(f"a link from {way[0]} to {way[-1]} runs out of the picture")
    return found


@dataclass
class Drawn:
    """An SVG, in the coordinates of its drawing."""

    text: str
    root: ElementTree.Element = field(init=False)
    boxes: dict[str, Box] = field(default_factory=dict)
    labels: list[tuple[str, Box]] = field(default_factory=list)
    ways: list[tuple[str, str, Way]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.root = ElementTree.fromstring(self.text)
        for group in self.root.iter(f"{SVG}g"):
            if item := group.get("data-item"):
                self.boxes[item] = _box(group)
            elif source := group.get("data-source"):
                self.ways.append((source, group.get("data-target", ""), list(_points(group[0].get("d", "")))))
            elif group.get("data-label"):
                self.labels.append((_words(group), _box(group)))

    def words(self, item: str) -> str:
        """What is written in an item."""
        return _words(self.group(item))

    def group(self, item: str) -> ElementTree.Element:
        """What an item is drawn with."""
        return next(group for group in self.root.iter(f"{SVG}g") if group.get("data-item") == item)

    def faults(self) -> list[str]:
        """What a reader would stumble over."""
        drawing = next(group for group in self.root if group.get("transform"))
        match = _MOVE.fullmatch(drawing.get("transform", ""))
        assert match
        left, top = map(float, match.groups())
        right, bottom = (float(self.root.get(key, 0)) for key in ("width", "height"))
        frame = Box(-left, -top, right - left, bottom - top)
        return faults(self.boxes, self.labels, [way for *_, way in self.ways], frame)


def _words(group: ElementTree.Element) -> str:
    return " / ".join(text.text or "" for text in group.iter(f"{SVG}text"))


def _box(group: ElementTree.Element) -> Box:
    rect = group.find(f"{SVG}rect")
    if rect is None:
        path = group.find(f"{SVG}path")
        assert path is not None
        corners = list(_points(path.get("d", "")))
        return Box(*(edge(corner[axis] for corner in corners) for edge in (min, max) for axis in (0, 1)))
    x, y, width, height = (float(rect.get(key, 0)) for key in ("x", "y", "width", "height"))
    return Box(x, y, x + width, y + height)


def _points(path: str) -> Iterator[tuple[float, float]]:
    """Points along a path, a few pixels apart."""
    at = (0.0, 0.0)
    for kind, numbers in _STEP.findall(path):
        values = list(map(float, numbers.split()))
        stops = [at, *zip(values[::2], values[1::2], strict=True)]
        if kind == "M":
            yield stops[1]
        else:
            yield from curve(stops)
        at = stops[-1]


def curve(stops: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Points along a line or a Bézier curve, without the first."""
    yield from (_along(stops, step / 40) for step in range(1, 41))


def _along(stops: Sequence[tuple[float, float]], share: float) -> tuple[float, float]:
    """De Casteljau's algorithm."""
    while len(stops) > 1:
        stops = [(a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share) for a, b in pairwise(stops)]
    return stops[0]


@dataclass
class Flowchart:
    """A Mermaid text: items by their names in it, links between what is written in them."""

    text: str
    items: dict[str, tuple[str, str]] = field(default_factory=dict)
    links: list[tuple[str, str, str, str]] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        first, *lines = self.text.splitlines()
        assert first == "flowchart TD"
        for line in lines:
            if match := _MERMAID_ITEM.fullmatch(line):
                self.items[match[1]] = match[2], match[3]
            elif match := _MERMAID_LINK.fullmatch(line):
                self.links.append((self.name(match[1]), match[2], match[3] or "", self.name(match[4])))
            else:
                self.rest.append(line)

    def name(self, item: str) -> str:
        """What is written first in an item."""
        return re.sub("<.*?>", "", self.items[item][1].split("<br/>")[0])

    def shown(self, name: str) -> tuple[str, str]:
        """An item's opening bracket and text, by what is written first in it."""
        return next(item for key, item in self.items.items() if self.name(key) == name)
