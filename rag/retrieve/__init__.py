"""What happens to hits between the search and the LLM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._lazy import lazy

if TYPE_CHECKING:
    from .expansion import expand as expand

__all__ = ["expand"]

_HOMES = {"expand": ".expansion"}
__getattr__ = lazy(__name__, _HOMES)
