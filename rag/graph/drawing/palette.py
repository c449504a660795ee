"""The colours of a picture. It has a ground of its own, so it looks the same on light and dark pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .picture import Item, Role
from .shapes import Ink

GROUND, FRAME = "#ffffff", "#e2e8f0"
TITLE, DESCRIPTION = "#0f172a", "#56657a"
LINE, IDLE_LINE = "#64748b", "#d3dae4"
LABEL, IDLE_LABEL = "#475569", "#8c9bb0"


@dataclass(frozen=True, slots=True)
class Look:
    """How an item is coloured: its area, its edge, and its text by what that is."""

    area: str
    edge: str
    inks: Mapping[Ink, str]


_INKS: Mapping[Ink, str] = {"name": "#0f172a", "note": "#56657a", "figure": "#0f766e"}
_PALE: Mapping[Ink, str] = {"name": "#8c9bb0", "note": "#8c9bb0", "figure": "#8c9bb0"}
_WHITE: Mapping[Ink, str] = {"name": "#ffffff", "note": "#ffffff", "figure": "#ffffff"}

_AREAS: Mapping[Role | Literal["decision"], tuple[str, str]] = {
    "": ("#f8fafc", "#b6c2d2"),
    "search": ("#eff6ff", "#7db2f5"),
    "llm": ("#f5f0ff", "#b79cf0"),
    "decision": ("#fffbeb", "#f0b429"),
}


def look(item: Item) -> Look:
    """The colours of an item."""
    if item.idle:
        return Look("#fafbfc", "#dbe1ea", _PALE)
    if item.kind in {"terminal", "join"}:
        return Look("#334155", "#334155", _WHITE)
    return Look(*_AREAS["decision" if item.kind == "decision" else item.role], _INKS)
