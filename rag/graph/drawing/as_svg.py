"""A graph as an SVG that needs nothing else: no script, no font, no program but the one that shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ..plan import Plan
from ..state import NodeTrace
from . import palette
from .elements import add_box, add_item, add_label, add_link, add_text, number
from .layout.geometry import Box, Size
from .layout.layout import Layout, laid_out
from .picture import Item, Picture
from .shapes import Line, Shape, label_width, shape
from .sketch import sketch
from .text import at_most, fill

MARGIN = 24.0
NARROWEST = 250.0
FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
LEGEND = (Item("", "node", "searches the corpus", role="search"), Item("", "node", "asks an LLM", role="llm"))
SWATCH = 11.0


def svg(plan: Plan, trace: Sequence[NodeTrace] = ()) -> str:
    """Draw a graph as SVG.

    ```python
    from ragloom.rag.graph.checking import plan
    from ragloom.rag.graph.drawing import svg

    print(svg(plan("quick")[0]).splitlines()[1].strip())  # -> <title>quick</title>
    ```

    Args:
        plan: a graph without problems.
        trace: what a run of it did: adds the figures of each node, and pales what the run did not come to.
    """
    picture = sketch(plan, trace)
    shapes = {item.key: shape(item, sum(link.target == item.key for link in picture.links)) for item in picture.items}
    sizes = {key: each.size for key, each in shapes.items()}
    layout = laid_out(picture, sizes, [label_width(link.label) for link in picture.links])
    width = max(layout.size.width, NARROWEST)
    heading = _heading(picture, width)
    legend = [each for each in LEGEND if any(item.role == each.role for item in picture.items)]
    top = MARGIN + (sum(line.height for line in heading) + 18 if heading else 0)
    bottom = top + layout.size.height + (SWATCH + 20 if legend else 0)
    root = _root(picture, Size(width + 2 * MARGIN, bottom + MARGIN))
    _add_heading(root, heading)
    _add_drawing(root, MARGIN + (width - layout.size.width) / 2, top, picture, layout, shapes)
    _add_legend(root, bottom - SWATCH / 2, legend)
    indent(root)
    return tostring(root, encoding="unicode") + "\n"


def _heading(picture: Picture, width: float) -> list[Line]:
    title = fill(picture.title.split(" "), " ", 16, width, bold=True)
    description = fill(picture.description.split(" "), " ", 12, width)
    return [
        *(Line(text, 16, "name", bold=True) for text in at_most(title, 2) if text),
        *(Line(text, 12, "note") for text in at_most(description, 4) if text),
    ]


def _root(picture: Picture, size: Size) -> Element:
    """The SVG with its name and its ground."""
    name = picture.title or "graph"
    width, height = number(size.width), number(size.height)
    root = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "width": width, "height": height})
    root.set("viewBox", f"0 0 {width} {height}")
    root.set("role", "img")
    root.set("aria-label", f"{name}: {picture.description}" if picture.description else name)
    root.set("font-family", FONTS)
    SubElement(root, "title").text = name
    if picture.description:
        SubElement(root, "desc").text = picture.description
    ground = Box(size.width / 2, size.height / 2, size.width - 1, size.height - 1)
    add_box(root, ground, 12, {"fill": palette.GROUND, "stroke": palette.FRAME})
    return root


def _add_heading(root: Element, lines: Sequence[Line]) -> None:
    top = MARGIN - 4
    for place, line in enumerate(lines):
        if place and lines[place - 1].bold and not line.bold:
            top += 4
        add_text(root, MARGIN, top, line, palette.TITLE if line.bold else palette.DESCRIPTION)
        top += line.height


def _add_drawing(
    root: Element, left: float, top: float, picture: Picture, layout: Layout, shapes: Mapping[str, Shape]
) -> None:
    """Links first, idle ones undermost; labels last, so that nothing runs through them."""
    drawing = SubElement(root, "g", {"transform": f"translate({number(left)} {number(top)})"})
    joins = {item.key for item in picture.items if item.kind == "join"}
    routed = sorted(zip(picture.links, layout.routes, strict=True), key=lambda pair: not pair[0].idle)
    for link, route in routed:
        add_link(drawing, link, route, has_arrow=link.target not in joins)
    for item in picture.items:
        add_item(drawing, item, layout.boxes[item.key], shapes[item.key])
    for (middle, _), link in {(route.label, link.label): link for link, route in routed if link.label}.items():
        add_label(drawing, link, middle)


def _add_legend(root: Element, middle: float, items: Sequence[Item]) -> None:
    """What the colours of nodes mean."""
    left = MARGIN
    for item in items:
        look, line = palette.look(item), Line(item.name, 11, "note")
        add_box(root, Box(left + SWATCH / 2, middle, SWATCH, SWATCH), 3, {"fill": look.area, "stroke": look.edge})
        add_text(root, left + SWATCH + 6, middle - line.height / 2, line, palette.DESCRIPTION)
        left += SWATCH + line.width + 24
