"""Times in texts: absolute, relative to a moment, and relative to events."""

from __future__ import annotations

from .expressions import Relation, TimeExpression, find_times

__all__ = ["Relation", "TimeExpression", "find_times"]
