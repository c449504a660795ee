"""Times in a text as half-open intervals: what `in March 2021`, `before Mar 1811` or `from 1916 to 1920` ask for.

A unit of the calendar is related to what is asked by the words before it: `before` asks for all that came earlier.
Where these words stand before a clause that names no date (`before I moved`), the clause is an *event*, whose time a
memory may know; where they stand alone (`where did I live before?`), what is over by now is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from ..interval import Interval
from .calendar import Span
from .units import Unit, find_units

Relation = Literal["in", "before", "after", "since", "until", "over"]

_RELATIONS: dict[str, Relation] = {
    "in": "in", "on": "in", "at": "in", "during": "in", "throughout": "in", "within": "in", "over": "in", "of": "in",
    "for": "in", "around": "in", "about": "in", "circa": "in", "between": "in", "back": "in", "as of": "in",
    "before": "before", "prior to": "before", "earlier than": "before", "by": "until", "until": "until",
    "till": "until", "up to": "until", "through": "until", "no later than": "until", "not later than": "until",
    "after": "after", "following": "after", "later than": "after", "since": "since", "from": "since",
    "starting": "since", "no earlier than": "since", "not earlier than": "since", "not before": "since",
    "not until": "since", "while": "in", "when": "in",
}  # fmt: skip
_LEAD_WORDS = "|".join(sorted(_RELATIONS, key=len, reverse=True)).replace(" ", r"\s+")
_LEAD = re.compile(
    rf"\b(?P<lead>{_LEAD_WORDS})\s+(?:(?:in|on|the)\s+)*(?:(?:years?|months?|spring|start|end|beginning)\s+(?:of\s+)?)?$",
    re.IGNORECASE,
)
_LONGEST_LEAD = 40
_WHOLE = frozenset({"during", "throughout", "within", "between"})
"""After these what is told holds for all of the stretch, and no longer."""
_BEFORE_AMOUNTS = frozenset({"of", "for", "about", "over", "at", "within"})
"""After these a number by itself is rather an amount than a year: `about 1500 people`."""
_BARE = re.compile(r"\d{4}(?:\s*(?:to|until|till|through|and|[-–—])\s*\d{4})?", re.IGNORECASE)
_COUNTED = re.compile(
    r"\s*[%€$£¥°]|\s+(?:people|persons?|men|women|children|staff|feet|square|cubic|percent|per|more|other|times|[kcm]?m|km|k?g|"
    r"k?Hz|k?W|°?[CF])\b|"
    r"\s+(?!(?:is|was|has|as|this|his|its|does|us|thus|perhaps|always|plus|versus|besides|sometimes|towards|across|unless|"
    r"goes|works|lives|previous|various|famous)\b)[a-z]{2,}s\b"
)
"""After a number what it counts: a unit, or a word in the plural."""
_BEGINS = re.compile(
    r"\b(?:moved|started|began|begun|joined|became|entered|founded|opened|arrived|came|got|met|married|bought|adopted|"
    r"born|took\s+(?:over|up))\b",
    re.IGNORECASE,
)
"""Words of an event that happens at the start of what it leads to: who moved to Berlin lives there from then on."""
_TO = re.compile(r"(?:to|until|till|through|and|[-–—])(?:\s+the)?")
_EVENT = re.compile(
    r"\b(?P<lead>before|after|since|until|till|while|when|prior to)\s+"
    r"(?P<event>(?!that\b|this\b|it\b|then\b|now\b|all\b|which\b|whom?\b|what\b)[^,;.?!\0]{0,200}[^,;.?!\s\0])",
    re.IGNORECASE,
)
_ASKS_WHEN = re.compile(r"when\s+(?:did|do|does|was|were|is|are|will|has|have|had|can|should)\b", re.IGNORECASE)
_NOT_OVER = [
    "is",
    "are",
    "was",
    "were",
    "be",
    "am",
    "'m",
    "’m",
    "'s",
    "’s",
    "'re",
    "’re",
    "get",
    "got",
    "getting",
    "gotten",
]
_ACCUSTOMED = "".join(f"(?<!{word} )" for word in _NOT_OVER)
"""Not behind these: who is used to something does it still."""
_OVER = re.compile(
    r"\b(?:before(?=\s*(?:[,;.?!]|$))|previously|formerly(?!\s+(?:known|called|named))|no\s+longer|in\s+the\s+past|"
    rf"any\s?more|{_ACCUSTOMED}used\s+to)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class TimeExpression:
    """A time that a text names.

    Attributes:
        text: the words.
        start: offset of the first in the text.
        end: offset after the last.
        relation: how what is asked for lies to the anchor; `over`: it had ended by the anchor's end.
        anchor: the stretch that is named, in UTC; None: an event, whose time nobody has looked up.
        event: the clause that names an event; else empty.
        is_range: whether both ends are named (`from 1916 to 1920`), or all of a stretch is meant (`during 2019`).
    """

    text: str
    start: int
    end: int
    relation: Relation
    anchor: Interval | None = None
    event: str = ""
    is_range: bool = False

    @property
    def interval(self) -> Interval | None:
        """What is asked for, in UTC: `before Mar 1811` ends where that March begins. None where no anchor is known."""
        if self.anchor is None:
            return None
        match self.relation:
            case "before":
                return Interval(None, self.anchor.start)
            case "after":  # nothing comes after what still lasts, but after its start
                return Interval(self.anchor.end or self.anchor.start, None)
            case "since":
                return Interval(self.anchor.start, None)
            case "until":
                return Interval(None, self.anchor.end or self.anchor.start)
            case _:
                return self.anchor

    def anchored(self, anchor: Interval) -> TimeExpression:
        """The same, now that it is known when the event was, or what it began: then the day of its start is meant."""
        if anchor.start is not None and _BEGINS.search(self.event):
            next_day = anchor.start + timedelta(days=1)
            anchor = Interval(anchor.start, min(next_day, anchor.end or next_day))
        return replace(self, anchor=anchor)


def find_times(text: str, reference: datetime, *, ahead: bool = False) -> list[TimeExpression]:
    """The times that a text names, in its order.

    ```python
    from datetime import datetime, UTC
    from ragloom.stores.memory.dates import find_times

    (time,) = find_times("Where did I live in early 2021?", datetime(2024, 5, 1, tzinfo=UTC))
    print(time.text, time.interval.end.date())  # -> in early 2021 2021-05-01
    ```

    Args:
        text: a question, or a text that was written at the time of the reference.
        reference: timezone-aware; days and months are those of its time zone.
        ahead: whether a day, month or weekday without a year is the next one rather than the last.
    """
    found = list(_named(text, find_units(text, reference, ahead=ahead)))
    rest = _without(text, found)
    events = list(_events(rest))
    over = _over(_without(rest, events), reference)
    return sorted([*_dated(events, found, text), *over], key=lambda each: each.start)


def _named(text: str, units: Sequence[Unit]) -> Iterator[TimeExpression]:
    """The units that are times, each with what the words before it make of it."""
    for unit, is_joined in _joined(text, units):
        is_range = is_joined or unit.is_range
        lead = _lead(text, unit)
        if _is_counted(text, unit) or (unit.needs_lead and (lead is None or _is_amount(text, unit, lead))):
            continue
        start = lead.start() if lead else unit.start
        relation = _relation(lead) if lead and not is_range else "in"
        anchor = Interval(*unit.span)
        is_whole = is_range or (lead is not None and lead["lead"].lower() in _WHOLE)
        yield TimeExpression(text[start : unit.end], start, unit.end, relation, anchor, is_range=is_whole)


def _is_amount(text: str, unit: Unit, lead: re.Match[str]) -> bool:
    return text[unit.start : unit.end].isdigit() and lead[0].strip().lower() in _BEFORE_AMOUNTS


def _is_counted(text: str, unit: Unit) -> bool:
    """Whether a number by itself, or from one to another, is of something: `in 1500 words`, `from 1500 to 2000 m`."""
    is_bare = _BARE.fullmatch(text, unit.start, unit.end) is not None
    return is_bare and _COUNTED.match(text, unit.end) is not None


def _joined(text: str, units: Sequence[Unit]) -> Iterator[tuple[Unit, bool]]:
    """Each unit, and whether it is a range that reaches to the next one (`from March to May 2021`)."""
    at = 0
    while at < len(units):
        both = _range(text, units[at], units[at + 1]) if at + 1 < len(units) else None
        yield (units[at], False) if both is None else (both, True)
        at += 1 if both is None else 2


def _range(text: str, first: Unit, last: Unit) -> Unit | None:
    """Two units as one, if the words between them make one stretch of them; `and` does after `between` only."""
    between = text[first.end : last.start].strip().lower()
    if not _TO.fullmatch(between):
        return None
    try:
        start = first.seen_from(last.span.start).start  # `March` as it is meant before `May 2021`
    except (ValueError, OverflowError):
        return None
    lead = _lead(text, first)
    if start >= last.span.end or (between.startswith("and") and (lead is None or lead["lead"].lower() != "between")):
        return None
    return replace(last, start=first.start, span=Span(start, last.span.end), needs_lead=False)


def _lead(text: str, unit: Unit) -> re.Match[str] | None:
    """The words before a unit that say how it is meant."""
    return _LEAD.search(text, max(0, unit.start - _LONGEST_LEAD), unit.start)


def _events(text: str) -> Iterator[TimeExpression]:
    for match in _EVENT.finditer(text):
        asks = _ASKS_WHEN.match(match[0]) and not text[: match.start()].strip()
        if not asks:
            yield TimeExpression(match[0], *match.span(), _relation(match), event=match["event"])


def _dated(events: Sequence[TimeExpression], named: Sequence[TimeExpression], text: str) -> list[TimeExpression]:
    """All of both; an event that a time directly follows is of that time (`before I moved to Paris in 2020`)."""
    rest = {each.start: each for each in named}
    dated = []
    for event in events:
        of = rest.get(event.end + 1)
        if of is not None and of.relation == "in" and of.text.lower().startswith(("in ", "on ")):
            del rest[of.start]
            event = replace(event, text=text[event.start : of.end], end=of.end, anchor=of.anchor)  # noqa: PLW2901
        dated.append(event)
    return [*rest.values(), *dated]


def _relation(lead: re.Match[str]) -> Relation:
    return _RELATIONS[" ".join(lead["lead"].lower().split())]


def _over(text: str, reference: datetime) -> Iterator[TimeExpression]:
    for match in _OVER.finditer(text):
        yield TimeExpression(match[0], *match.span(), "over", Interval(None, reference))


def _without(text: str, found: Sequence[TimeExpression]) -> str:
    """The text with nothing where times stand, so that no words are read twice."""
    parts, at = [], 0
    for each in found:
        parts += [text[at : each.start], "\0" * (each.end - each.start)]
        at = each.end
    return "".join([*parts, text[at:]])
