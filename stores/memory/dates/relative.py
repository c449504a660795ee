"""Times that a text gives relative to when it was written: `yesterday`, `last Friday`, `three weeks ago`, `in March`.

They are as exact as their names: `three weeks ago` is a week, from Monday, `two years ago` a year. A day, a month or a
weekday without more is the latest one, for questions and tales look back. `a few` is taken for three.
"""

from __future__ import annotations

import re
from calendar import isleap
from collections.abc import Callable
from datetime import datetime

from dateutil.relativedelta import MO, relativedelta

from . import calendar
from .calendar import MONTH_NAMES, MONTHS, SEASONS, Span

_BETWEEN_LEAP_YEARS = 8
"""Years at most."""
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NUMBERS = {
    "a couple of": 2, "a few": 3, "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6,
    "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
}  # fmt: skip
_STEPS = {"last": -1, "past": -1, "previous": -1, "this": 0, "current": 0, "next": 1, "coming": 1}
_DAYS = {
    "the day before yesterday": -2, "yesterday": -1, "last night": -1, "today": 0, "tonight": 0, "this morning": 0,
    "this afternoon": 0, "this evening": 0, "tomorrow": 1, "the day after tomorrow": 2,
}  # fmt: skip
_LENGTHS = {
    "minute": relativedelta(minutes=1),
    "hour": relativedelta(hours=1),
    "day": relativedelta(days=1),
    "weekend": relativedelta(weeks=1),
    "week": relativedelta(weeks=1),
    "month": relativedelta(months=1),
    "quarter": relativedelta(months=3),
    "year": relativedelta(years=1),
    "decade": relativedelta(years=10),
}

_HALVES = {
    "hour": (relativedelta(minutes=30), "minute"),
    "day": (relativedelta(hours=12), "hour"),
    "month": (relativedelta(days=15), "day"),
    "year": (relativedelta(months=6), "month"),
    "decade": (relativedelta(years=5), "year"),
}
"""How long half a unit is, and as how much of the calendar it is read."""

_PHRASE = "|".join(_DAYS).replace(" ", r"\s+")
_NUMBER = rf"(?P<number>\d{{1,4}}|{'|'.join(_NUMBERS)})"
_UNIT = rf"(?P<unit>{'|'.join(_LENGTHS)})"
_STEP = rf"(?P<step>{'|'.join(_STEPS)})"
_MONTH = rf"(?P<month>{'|'.join(MONTH_NAMES)})"
WEEKDAY = rf"(?P<weekday>{'|'.join(_WEEKDAYS)})"


def latest_day(match: re.Match[str], reference: datetime) -> Span:
    """The latest day of this name that has begun; of 29 February that of the last leap year."""
    month, number = MONTHS[match["month"].lower()], int(match["day"])
    years = [reference.year - back for back in range(_BETWEEN_LEAP_YEARS + 1)]
    if (month, number) == (2, 29):
        years = [year for year in years if isleap(year)]
    days = (calendar.day(year, month, number, reference.tzinfo) for year in years)
    latest = next((day for day in days if day.start <= reference), None)
    if latest is None:
        raise ValueError(f"no {match[0]} has begun")
    return latest


def latest_month(match: re.Match[str], reference: datetime) -> Span:
    """The latest month of this name that has begun."""
    this_year = calendar.months(reference.year, MONTHS[match["month"].lower()], 1, reference.tzinfo)
    begun = this_year.start <= reference
    return this_year if begun else this_year.later(years=-1)


def latest_weekday(match: re.Match[str], reference: datetime) -> Span:
    """The latest such day before the day of the reference."""
    return _weekday(match["weekday"], -1, reference)


def _day(match: re.Match[str], reference: datetime) -> Span:
    shift = _DAYS[" ".join(match["phrase"].lower().split())]
    return _unit("day", reference + relativedelta(days=shift))


def _ago(match: re.Match[str], reference: datetime) -> Span:
    return _unit(match["unit"], reference - _length(match))


def _half(match: re.Match[str], reference: datetime) -> Span:
    """The month, day, hour or minute that lies half a unit back, or ahead."""
    length, smaller = _HALVES[match["unit"].lower()]
    is_ahead = match["ahead"] is not None
    return _unit(smaller, reference + length if is_ahead else reference - length)


def _from_now(match: re.Match[str], reference: datetime) -> Span:
    return _unit(match["unit"], reference + _length(match))


def _lately(match: re.Match[str], reference: datetime) -> Span:
    return Span(reference - _length(match), reference)


def _stepped_unit(match: re.Match[str], reference: datetime) -> Span:
    return _unit(match["unit"], reference + _LENGTHS[match["unit"].lower()] * _step(match))


def _stepped_weekday(match: re.Match[str], reference: datetime) -> Span:
    return _weekday(match["weekday"], _step(match), reference)


def _stepped_month(match: re.Match[str], reference: datetime) -> Span:
    return _of_year(
        calendar.months(reference.year, MONTHS[match["month"].lower()], 1, reference.tzinfo), match, reference
    )


def _stepped_season(match: re.Match[str], reference: datetime) -> Span:
    this_year = calendar.season(match["season"], reference.year, reference.tzinfo)
    return _of_year(this_year, match, reference)


PHRASES: tuple[tuple[str, Callable[[re.Match[str], datetime], Span]], ...] = (
    (rf"{_NUMBER}\s+{_UNIT}s?\s+from\s+(?:now|today)", _from_now),
    (rf"(?P<phrase>{_PHRASE})", _day),
    (rf"half\s+an?\s+(?P<unit>{'|'.join(_HALVES)})\s+(?:ago|(?P<ahead>from\s+(?:now|today)))", _half),
    (rf"{_NUMBER}\s+{_UNIT}s?\s+ago", _ago),
    (rf"(?:last|past|previous)\s+{_NUMBER}\s+{_UNIT}s?", _lately),
    (rf"{_STEP}\s+{_UNIT}", _stepped_unit),
    (rf"{_STEP}\s+{WEEKDAY}", _stepped_weekday),
    (rf"{_STEP}\s+{_MONTH}", _stepped_month),
    (rf"{_STEP}\s+(?P<season>{'|'.join(SEASONS)})", _stepped_season),
)
"""How relative times are written, and what they are."""

AHEAD = (rf"in\s+{_NUMBER}\s+{_UNIT}s?(?:['’]s?)?(?:\s+time)?", _from_now)
"""The same of a form that is a time where the sentence looks ahead, and else how long something took."""


def _step(match: re.Match[str]) -> int:
    return _STEPS[match["step"].lower()]


def _length(match: re.Match[str]) -> relativedelta:
    number = " ".join(match["number"].lower().split())
    return _LENGTHS[match["unit"].lower()] * (int(number) if number.isdecimal() else _NUMBERS[number])


def _unit(name: str, moment: datetime) -> Span:
    """The minute, day, week, ... that a moment lies in; a weekend is that of the moment's week."""
    name = name.lower()
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    starts = {
        "minute": moment.replace(second=0, microsecond=0),
        "hour": moment.replace(minute=0, second=0, microsecond=0),
        "day": midnight,
        "week": midnight + relativedelta(weekday=MO(-1)),
        "month": midnight.replace(day=1),
        "quarter": midnight.replace(month=(moment.month - 1) // 3 * 3 + 1, day=1),
        "year": midnight.replace(month=1, day=1),
        "decade": midnight.replace(year=moment.year // 10 * 10, month=1, day=1),
    }
    if name == "weekend":
        saturday = starts["week"] + relativedelta(days=5)
        return Span(saturday, saturday + relativedelta(days=2))
    return Span(starts[name], starts[name] + _LENGTHS[name])


def _weekday(name: str, step: int, reference: datetime) -> Span:
    """The one before (-1) or after (1) the day of the reference, or the one in its week (0)."""
    number = _WEEKDAYS.index(name.lower())
    days = number - reference.weekday()
    if step:
        days = days % (7 * step) or 7 * step
    return _unit("day", reference + relativedelta(days=days))


def _of_year(this_year: Span, match: re.Match[str], reference: datetime) -> Span:
    """A month or season: the latest that is over (-1), the one of this year (0), the next that begins (1)."""
    step, start, end = _step(match), this_year.start, this_year.end
    if step < 0 and end > reference:
        return this_year.later(years=-1)
    if step > 0 and start <= reference:
        return this_year.later(years=1)
    return this_year
