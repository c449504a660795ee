"""A stretch of time, half-open: from its start, which is in it, to its end, which is not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Interval:
    """From `start` up to but not including `end`; None: open on that side."""

    start: datetime | None = None
    end: datetime | None = None

    def in_utc(self) -> Interval:
        """The same stretch, in UTC."""
        return Interval(self.start and self.start.astimezone(UTC), self.end and self.end.astimezone(UTC))
