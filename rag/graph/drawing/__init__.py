"""Pictures of a graph, and of what a run did in it: Mermaid text for web pages, and SVG drawn right here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...._lazy import lazy

if TYPE_CHECKING:
    from .as_mermaid import mermaid as mermaid
    from .as_svg import svg as svg

__all__ = ["mermaid", "svg"]

_HOMES = {"mermaid": ".as_mermaid", "svg": ".as_svg"}
__getattr__ = lazy(__name__, _HOMES)
