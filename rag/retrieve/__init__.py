"""What happens to hits between the search and the LLM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._lazy import lazy

if TYPE_CHECKING:
    from .diversity import mmr as mmr
    from .expansion import expand as expand

__all__ = ["expand", "mmr"]

_HOMES = {"expand": ".expansion", "mmr": ".diversity"}
__getattr__ = lazy(__name__, _HOMES)
