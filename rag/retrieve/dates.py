"""Dates in a text, as exact as they are written: `2024`, `2024-03`, `2024-03-05`, and in English `5 March 2024`."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator

_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_DAY = r"(?P<{0}>\d{{1,2}})(?:st|nd|rd|th)?"
_WRITTEN = re.compile(
    rf"\b(?:{_DAY.format('before')}\s+(?:of\s+)?)?(?P<month>{'|'.join(_MONTHS)})"
    rf"(?:\s+{_DAY.format('after')})?,?\s+(?P<year>\d{{4}})\b",
    re.IGNORECASE,
)
_ISO = re.compile(r"(?<![\w.,])(?P<year>\d{4})-(?P<month>\d\d)(?:-(?P<day>\d\d))?(?!\w)")
_YEAR = re.compile(r"(?<![\w.,])\d{4}(?!\w|[.,]\d)")


def find_dates(text: str) -> Iterator[tuple[str, int, int]]:
    """Each date in ISO's form, and where it stands; years before 1000 and dates that no calendar has are none.

    ```python
    from ragloom.rag.retrieve.dates import find_dates

    print(list(find_dates("since 5 March 2024")))  # -> [('2024-03-05', 6, 18)]
    ```
    """
    for match in _ISO.finditer(text):
        if date := _date(match["year"], int(match["month"]), match["day"]):
            yield date, *match.span()
    rest = without_dates(text)
    for match in _WRITTEN.finditer(rest):
        month = _MONTHS.index(match["month"].lower()) + 1
        if date := _date(match["year"], month, match["before"] or match["after"]):
            yield date, *match.span()
    yield from ((match[0], *match.span()) for match in _YEAR.finditer(_blank(_WRITTEN, rest)) if match[0] >= "1000")


def following(date: str) -> str:
    """The year, month or day after one: what comes first when it is over; of the last year, what sorts after it."""
    year, month, day = (int(part) for part in f"{date}-01-01".split("-")[:3])
    if year == datetime.MAXYEAR:
        return f"{date}~"
    if len(date) == len("2024"):
        return str(year + 1)
    if len(date) == len("2024-03"):
        return f"{year + month // 12}-{month % 12 + 1:02}"
    return (datetime.date(year, month, day) + datetime.timedelta(days=1)).isoformat()


def without_dates(text: str) -> str:
    """The text with spaces where dates in ISO's form stand, so that nothing moves."""
    return _blank(_ISO, text)


def _date(year: str, month: int, day: str | None) -> str | None:
    try:
        datetime.date(int(year), month, int(day or 1))
    except ValueError:
        return None
    return f"{year}-{month:02}-{int(day):02}" if day else f"{year}-{month:02}"


def _blank(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(lambda match: " " * len(match[0]), text)
