"""Times as people read them."""

from __future__ import annotations

from datetime import datetime

from ..interval import Interval


def shown(interval: Interval) -> str:
    """An interval in words: `2021-03 to present`, `2019 to 2021-03-05`, `before 2020`, `at any time`."""
    start, end = interval.start, interval.end
    if start is None:
        return "at any time" if end is None else f"before {moment(end)}"
    return f"{moment(start)} to {'present' if end is None else moment(end)}"


def moment(instant: datetime) -> str:
    """As exact as it is: the year, month or day that begins then, or else the minute."""
    if (instant.hour, instant.minute, instant.second, instant.microsecond) != (0, 0, 0, 0):
        return instant.isoformat(" ", "minutes")[:16]
    return instant.date().isoformat()[: 10 if instant.day != 1 else 7 if instant.month != 1 else 4]
