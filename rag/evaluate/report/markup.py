"""HTML that is escaped by how it is made: what is not `Markup` already is text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

_NUMBER = re.compile(r"(<b>)?[-+]?[\d,]*\.?\d+(</b>)?")


class Markup(str):
    """A piece of HTML."""

    __slots__ = ()


def element(tag: str, *content: object, **attributes: str) -> Markup:
    """An element around its content; what is no `Markup` is escaped.

    ```python
    from ragloom.rag.evaluate.report.markup import element

    print(element("p", "1 < 2 ", element("b", "always"), id="so"))  # -> <p id="so">1 &lt; 2 <b>always</b></p>
    ```
    """
    given = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
    return Markup(f"<{tag}{given}>{joined(content)}</{tag}>")


def joined(content: Iterable[object]) -> Markup:
    """Pieces one after the other, escaped where they are no `Markup`."""
    return Markup("".join(each if isinstance(each, Markup) else escape(str(each)) for each in content))


def table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> Markup:
    """A table; cells that are numbers, bold or not, have the class `number`."""
    top = element("tr", *(element("th", cell) for cell in head))
    body = (element("tr", *map(_cell, row)) for row in rows)
    return element("table", element("thead", top), element("tbody", *body))


def _cell(content: object) -> Markup:
    is_number = _NUMBER.fullmatch(str(content)) is not None
    return element("td", content, **({"class": "number"} if is_number else {}))
