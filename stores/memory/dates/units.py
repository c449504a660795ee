"""Stretches of the calendar that a text names: `5 March 2021`, `Mar 1811`, `the early 1970s`, `last Friday`.

A unit is found by the form in which it is written; whether it is a time at all, and what the words before it make of
it, is decided in `expressions`. English words, and ISO's dates in any language. Years run to 2999, and
from 1000 where they stand without a month.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from dateutil.relativedelta import relativedelta

from . import calendar, relative
from .calendar import MONTH_NAMES, MONTHS, PARTS, SEASONS, Span

Resolve = Callable[[re.Match[str], datetime], Span]

_TIME_OF_DAY = r"(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
_A_YEAR = relativedelta(years=1)
_MONTH = rf"(?P<month>{'|'.join(MONTHS)})\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>[12]\d{3})"
_OF_MONTH = r"(?P<year>[12]\d{3}|[1-9]\d\d)"
_PART = rf"(?:(?P<part>{'|'.join(PARTS)})(?:\s+|-)(?:the\s+)?)?"


@dataclass(frozen=True, slots=True)
class Unit:
    """A stretch of the calendar, and where a text names it.

    Attributes:
        start: offset of its first character.
        end: offset after its last character.
        span: what it is, in the time zone of the reference.
        needs_lead: whether it is a time only after a word such as `in`: a bare number may be anything.
        is_range: whether both ends are named: `2016-2018`.
        seen_from: what it is for another reference.
    """

    start: int
    end: int
    span: Span
    needs_lead: bool
    seen_from: Callable[[datetime], Span]
    is_range: bool = False


@dataclass(frozen=True, slots=True)
class _Form:
    """A way of writing a unit.

    Attributes:
        pattern: how it is written.
        resolve: what it is.
        needs_lead: whether it is a time only after a word such as `in`.
        comes_again: after how long there is another one of the same name.
        is_range: whether both ends are named.
    """

    pattern: re.Pattern[str]
    resolve: Resolve
    needs_lead: bool = False
    comes_again: relativedelta | None = None
    is_range: bool = False

    def unit(self, match: re.Match[str], reference: datetime, *, ahead: bool) -> Unit | None:
        """What is written so; None for a date that no calendar has."""
        try:
            span = self.resolve(match, reference)
            if ahead and self.comes_again and span.end <= reference:
                span = self.resolve(match, reference + self.comes_again)
        except (ValueError, OverflowError):  # the 31st of February, five thousand years ago
            return None
        if span.end <= span.start:  # the past 0 days
            return None
        return Unit(*match.span(), span, self.needs_lead, lambda moment: self.resolve(match, moment), self.is_range)


def _form(
    pattern: str,
    resolve: Resolve,
    *,
    needs_lead: bool = False,
    comes_again: relativedelta | None = None,
    is_range: bool = False,
) -> _Form:
    compiled = re.compile(rf"(?<![\w.,/-]){pattern}(?![\w/]|[.,]\d)", re.IGNORECASE)
    return _Form(compiled, resolve, needs_lead, comes_again, is_range)


def _iso_day(match: re.Match[str], reference: datetime) -> Span:
    return calendar.day(int(match["year"]), int(match["month"]), int(match["day"]), reference.tzinfo)


def _iso_month(match: re.Match[str], reference: datetime) -> Span:
    return calendar.months(int(match["year"]), int(match["month"]), 1, reference.tzinfo)


def _day(match: re.Match[str], reference: datetime) -> Span:
    return calendar.day(int(match["year"]), MONTHS[match["month"].lower()], int(match["day"]), reference.tzinfo)


def _month(match: re.Match[str], reference: datetime) -> Span:
    whole = calendar.months(int(match["year"]), MONTHS[match["month"].lower()], 1, reference.tzinfo)
    return calendar.part(_part(match), whole, calendar.OF_MONTH)


def _season(match: re.Match[str], reference: datetime) -> Span:
    return calendar.season(match["season"], int(match["year"]), reference.tzinfo)


def _quarter(match: re.Match[str], reference: datetime) -> Span:
    return calendar.months(int(match["year"]), 3 * int(match["quarter"]) - 2, 3, reference.tzinfo)


def _year(match: re.Match[str], reference: datetime) -> Span:
    return calendar.part(_part(match), calendar.years(int(match["year"]), 1, reference.tzinfo), calendar.OF_YEAR)


def _years(match: re.Match[str], reference: datetime) -> Span:
    first, last = int(match["year"]), int(match["last"])
    if last < first:
        raise ValueError(f"{match[0]} goes back")
    return calendar.years(first, last - first + 1, reference.tzinfo)


def _decade(match: re.Match[str], reference: datetime) -> Span:
    first = int(match["decade"])
    if first < 100:
        first += 1900 if first >= 30 else 2000
    return calendar.part(_part(match), calendar.years(first, 10, reference.tzinfo), calendar.OF_DECADE)


def _century(match: re.Match[str], reference: datetime) -> Span:
    first_year = (int(match["century"]) - 1) * 100
    return calendar.part(_part(match), calendar.years(first_year, 100, reference.tzinfo), calendar.OF_CENTURY)


def _part(match: re.Match[str]) -> str | None:
    return match["part"] and match["part"].lower()


_FORMS = (
    _form(rf"(?P<year>[12]\d{{3}})-(?P<month>\d\d)-(?P<day>\d\d){_TIME_OF_DAY}", _iso_day),
    _form(r"(?P<year>[12]\d{3})-(?P<month>\d\d)(?!-?\d)", _iso_month),
    _form(rf"{_DAY}\s+(?:of\s+)?{_MONTH},?\s+{_OF_MONTH}", _day),
    _form(rf"{_MONTH}\s+{_DAY},?\s+{_OF_MONTH}", _day),
    _form(rf"{_PART}{_MONTH},?\s+(?:of\s+)?{_OF_MONTH}", _month),
    _form(rf"(?P<season>{'|'.join(SEASONS)})(?:\s+of)?\s+{_YEAR}", _season),
    _form(rf"Q(?P<quarter>[1-4])(?:\s+of)?\s+{_YEAR}", _quarter),
    _form(rf"{_YEAR}\s*[-–—]\s*(?P<last>[12]\d{{3}})", _years, is_range=True),
    _form(rf"{_PART}'?(?P<decade>[12]\d\d0|\d0)'?s", _decade, needs_lead=True),
    _form(rf"{_PART}(?P<century>1[1-9]|2[0-9])(?:st|nd|rd|th)(?:\s+|-)century", _century),
    *(_form(pattern, resolve) for pattern, resolve in relative.PHRASES),
    _form(rf"{_DAY}\s+(?:of\s+)?{_MONTH}", relative.latest_day, needs_lead=True, comes_again=_A_YEAR),
    _form(rf"{_MONTH}\s+{_DAY}", relative.latest_day, needs_lead=True, comes_again=_A_YEAR),
    _form(rf"{_PART}{_YEAR}", _year, needs_lead=True),
    _form(rf"(?P<month>{'|'.join(MONTH_NAMES)})", relative.latest_month, needs_lead=True, comes_again=_A_YEAR),
    _form(relative.WEEKDAY, relative.latest_weekday, needs_lead=True, comes_again=relativedelta(weeks=1)),
)
"""The longer forms come first: what one has read, no later one sees."""


def find_units(text: str, reference: datetime, *, ahead: bool = False) -> list[Unit]:
    """The units that a text names, in its order; `ahead`: of a day, month or weekday that is over the next one."""
    found: list[Unit] = []
    for form in (*_FORMS, _form(*relative.AHEAD)) if ahead else _FORMS:
        found += filter(None, (form.unit(match, reference, ahead=ahead) for match in form.pattern.finditer(text)))
        text = form.pattern.sub(lambda match: "\0" * len(match[0]), text)
    return sorted(found, key=lambda unit: unit.start)
