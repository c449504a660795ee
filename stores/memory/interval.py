"""A half-open stretch of time, in either of the two times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .errors import MemoryValueError
from .instants import to_utc


@dataclass(frozen=True, slots=True)
class Interval:
    """From `start` up to but without `end`, in UTC; None is an open end.

    ```python
    from datetime import datetime, timezone
    from ragloom.stores.memory import Interval

    in_2021 = Interval(datetime(2021, 1, 1, tzinfo=timezone.utc), datetime(2022, 1, 1, tzinfo=timezone.utc))
    print(in_2021.holds(datetime(2021, 12, 31, tzinfo=timezone.utc)), in_2021.overlaps(Interval()))  # -> True True
    print(in_2021.holds(datetime(2022, 1, 1, tzinfo=timezone.utc)))  # -> False
    ```

    Attributes:
        start: the first instant; None: it is not known when it began.
        end: the first instant after it; None: it has not ended, or nobody knows when.
    """

    start: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        """Bring both ends to UTC.

        Raises:
            NaiveDatetimeError: an end has no time zone.
            MemoryValueError: it is empty, or ends before it starts.
        """
        for name in ("start", "end"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, to_utc(value, name))
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise MemoryValueError(f"an interval must end after it starts, not {self.start} to {self.end}")

    def holds(self, instant: datetime) -> bool:
        """Whether an instant lies in it."""
        return (self.start is None or self.start <= instant) and (self.end is None or instant < self.end)

    def overlaps(self, other: Interval) -> bool:
        """Whether the two have an instant in common."""
        return _before(self.start, other.end) and _before(other.start, self.end)


def _before(start: datetime | None, end: datetime | None) -> bool:
    return start is None or end is None or start < end
