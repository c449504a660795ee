"""Days, months, years and longer as spans, in the time zone that is given; `dateutil` does the arithmetic."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

MONTH_NAMES = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
MONTHS = {
    **{name: number for number, name in enumerate(MONTH_NAMES, start=1)},
    "sept": 9,
    **{name[:3]: number for number, name in enumerate(MONTH_NAMES, start=1)},
}
"""Names before abbreviations, so that a pattern that tries them in this order finds the whole word."""

PARTS = ("early", "middle", "mid", "late")

SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
"""Season to the month that it begins with, as meteorologists in the north of the world reckon; winter ends in March."""

Cuts = tuple[relativedelta, relativedelta]
"""Where the middle of a stretch begins and where its late part does, counted from its start."""

OF_MONTH: Cuts = (relativedelta(days=10), relativedelta(days=20))
OF_YEAR: Cuts = (relativedelta(months=4), relativedelta(months=8))
OF_DECADE: Cuts = (relativedelta(years=4), relativedelta(years=7))
OF_CENTURY: Cuts = (relativedelta(years=33), relativedelta(years=67))


class Span(NamedTuple):
    """From `start` up to but not including `end`."""

    start: datetime
    end: datetime

    def later(self, *, years: int) -> Span:
        """The same so many years later."""
        shift = relativedelta(years=years)
        return Span(self.start + shift, self.end + shift)


def day(year: int, month_number: int, number: int, zone: tzinfo | None) -> Span:
    """A day.

    Raises:
        ValueError: there is no such day.
    """
    first = datetime(year, month_number, number, tzinfo=zone)
    return Span(first, first + timedelta(days=1))


def months(year: int, first_month: int, count: int, zone: tzinfo | None) -> Span:
    """A month, or several.

    Raises:
        ValueError: there is no such month.
    """
    first = datetime(year, first_month, 1, tzinfo=zone)
    return Span(first, first + relativedelta(months=count))


def season(name: str, year: int, zone: tzinfo | None) -> Span:
    """A season that begins in a year."""
    return months(year, SEASONS[name.lower()], 3, zone)


def years(first_year: int, count: int, zone: tzinfo | None) -> Span:
    """A year, or several."""
    return months(first_year, 1, 12 * count, zone)


def part(name: str | None, whole: Span, cuts: Cuts) -> Span:
    """The early, middle or late part of a span, cut at these places; without a name all of it."""
    first, last = (whole.start + cut for cut in cuts)
    parts = {"early": Span(whole.start, first), "mid": Span(first, last), "late": Span(last, whole.end)}
    return parts["mid" if name == "middle" else name] if name else whole
