"""How much room a text takes where no font is at hand, and making it fit.

The widths are those of DejaVu Sans, to a twentieth of the type size. It is wider than Arial, Helvetica, Segoe UI and
Roboto, so whichever of them a reader has, a text stays inside its box.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_WIDTHS = {
    char: width
    for width, chars in {
        0.3: "' ,.IJijl·",
        0.35: "-/:;\\f|",
        0.45: '!()[]rt"',
        0.55: "*_`sz?Lc",
        0.65: "FPTYaekovxy$0123456789EKSbdghnpqu{}",
        0.75: "ABCRVXZDGHNU",
        0.85: "&OQw#+<=>M^~→×",
        1.0: "%m@W…",
    }.items()
    for char in chars
}
_BOLD = 1.12
_OTHER = 0.75
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """A text in one line, without characters that XML cannot hold."""
    return " ".join(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text).split())


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """About how wide a text is, in the unit of `size`.

    ```python
    from ragloom.rag.graph.drawing.text import text_width

    print(round(text_width("rerank", 14)))  # -> 49
    ```
    """
    return sum(map(_em, text)) * size * (_BOLD if bold else 1)


def _em(char: str) -> float:
    if char in _WIDTHS:
        return _WIDTHS[char]
    if unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0.0
    return 1.0 if unicodedata.east_asian_width(char) in "WF" else _OTHER


def shorten(text: str, size: float, width: float, *, bold: bool = False) -> str:
    """The text, with its middle left out if it is wider than `width`: names that begin alike often end differently.

    ```python
    from ragloom.rag.graph.drawing.text import shorten

    print(shorten("retrieve_from_the_german_archive", 12, 120))  # -> retrieve…_archive
    ```
    """
    if text_width(text, size, bold=bold) <= width:
        return text
    kept = len(text) - 1
    while kept > 1:
        shown = f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"
        if text_width(shown, size, bold=bold) <= width:
            return shown
        kept -= 1
    return "…"


def fill(pieces: Sequence[str], glue: str, size: float, width: float, *, bold: bool = False) -> list[str]:
    """Put pieces into lines of at most `width`, with `glue` between those of a line; a longer piece is shortened.

    ```python
    from ragloom.rag.graph.drawing.text import fill

    print(fill(["hybrid", "k 8", "passages 3"], " · ", 12, 80))  # -> ['hybrid · k 8', 'passages 3']
    ```
    """
    lines: list[str] = []
    for piece in pieces:
        joined = f"{lines[-1]}{glue}{piece}" if lines else ""
        if joined and text_width(joined, size, bold=bold) <= width:
            lines[-1] = joined
        else:
            lines.append(shorten(piece, size, width, bold=bold))
    return lines


def at_most(lines: Sequence[str], count: int) -> list[str]:
    """The first lines; where some are left out, the last one says so."""
    return list(lines) if len(lines) <= count else [*lines[: count - 1], f"{lines[count - 1]} …"]
