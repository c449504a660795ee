"""What happens to a question before and after it meets the corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._lazy import lazy

if TYPE_CHECKING:
    from .expansion import expand as expand

__all__ = ["expand"]

__getattr__ = lazy(__name__, {"expand": ".expansion"})
