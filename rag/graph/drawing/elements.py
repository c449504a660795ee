"""The elements of an SVG that items, links, labels and lines of text are drawn with.

Everything is said in attributes: a style sheet of a picture that stands in a page would be one of that page.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

from . import palette
from .layout.geometry import Box, Point, Step
from .layout.ports import LABEL_HEIGHT
from .layout.route import Route
from .picture import Item, Link
from .shapes import LABEL_SIZE, Line, Shape, label_width

ARROW = 8.0
DASHES = "5 4"


def add_item(parent: Element, item: Item, box: Box, shape: Shape) -> None:
    """Draw an item with its text."""
    look = palette.look(item)
    group = SubElement(parent, "g", {"data-item": item.key})
    if item.hint:
        SubElement(group, "title").text = item.hint
    paint = {"fill": look.area, "stroke": look.edge, "stroke-width": "1.25"}
    if item.kind == "decision":
        across, down = box.width / 2, box.height / 2
        corners = [(box.x, box.y - down), (box.x + across, box.y), (box.x, box.y + down), (box.x - across, box.y)]
        SubElement(group, "path", {"d": _outline([Point(*corner) for corner in corners]), **paint})
    else:
        add_box(group, box, {"node": 9.0, "terminal": box.height / 2}.get(item.kind, 3.0), paint)
    top = box.y - shape.text_height / 2
    for line in shape.lines:
        add_text(group, box.x, top, line, look.inks[line.ink], is_centred=True)
        top += line.height


def add_link(parent: Element, link: Link, route: Route, *, has_arrow: bool) -> None:
    """Draw a link; its last step, which is straight, ends in an arrow."""
    ink = palette.IDLE_LINE if link.idle else palette.LINE
    *steps, (end,) = route.steps
    before = steps[-1][-1] if steps else route.start
    far = abs(end.x - before.x) + abs(end.y - before.y)
    ahead = Point((end.x - before.x) / far, (end.y - before.y) / far)
    group = SubElement(parent, "g", {"data-source": link.source, "data-target": link.target})
    stop = Point(end.x - ahead.x * ARROW / 2, end.y - ahead.y * ARROW / 2) if has_arrow else end
    line = {"d": _way(route.start, [*steps, (stop,)]), "fill": "none", "stroke": ink, "stroke-width": "1.5"}
    if link.way in {"error", "instead"}:
        line["stroke-dasharray"] = DASHES
    SubElement(group, "path", line)
    if has_arrow:
        back, wing = Point(end.x - ahead.x * ARROW, end.y - ahead.y * ARROW), ARROW / 2
        barbs = [
            Point(back.x - ahead.y * wing, back.y + ahead.x * wing),
            Point(back.x + ahead.y * wing, back.y - ahead.x * wing),
        ]
        SubElement(group, "path", {"d": _outline([end, *barbs]), "fill": ink})


def add_label(parent: Element, link: Link, middle: Point) -> None:
    """Draw the label of a link, on the link."""
    line = Line(link.label, LABEL_SIZE, "note")
    area = Box(*middle, label_width(link.label), LABEL_HEIGHT)
    group = SubElement(parent, "g", {"data-label": link.way})
    add_box(group, area, LABEL_HEIGHT / 2, {"fill": palette.GROUND})
    ink = palette.IDLE_LABEL if link.idle else palette.LABEL
    add_text(group, middle.x, middle.y - line.height / 2, line, ink, is_centred=True)


def add_box(parent: Element, box: Box, radius: float, paint: dict[str, str]) -> None:
    """Draw a box with round corners."""
    place = {"x": number(box.x - box.width / 2), "y": number(box.y - box.height / 2)}
    size = {"width": number(box.width), "height": number(box.height), "rx": number(radius)}
    SubElement(parent, "rect", {**place, **size, **paint})


def add_text(parent: Element, x: float, top: float, line: Line, ink: str, *, is_centred: bool = False) -> None:
    """Draw a line of text, from `x` on or around it."""
    baseline = top + (line.height + line.size * 0.72) / 2
    given = {"x": number(x), "y": number(baseline), "font-size": number(line.size), "fill": ink}
    if is_centred:
        given["text-anchor"] = "middle"
    if line.bold:
        given["font-weight"] = "600"
    SubElement(parent, "text", given).text = line.text


def number(value: float) -> str:
    """A number with at most one decimal.

    ```python
    from ragloom.rag.graph.drawing.elements import number

    print(number(20.04), number(7.25))  # -> 20 7.2
    ```
    """
    return f"{value:.1f}".removesuffix(".0")


def _way(start: Point, steps: Sequence[Step]) -> str:
    drawn = [f"{'C' if len(step) == 3 else 'L'}{' '.join(map(_at, step))}" for step in steps]
    return " ".join([f"M{_at(start)}", *drawn])


def _outline(corners: Sequence[Point]) -> str:
    return f"M{' L'.join(map(_at, corners))} Z"


def _at(point: Point) -> str:
    return f"{number(point.x)} {number(point.y)}"
