"""When a fact held, by the words of the episode that tells it.

The sentence that has both names is read, else one that has the object; what it says of time is related to the moment
at which it was said. Where no time is named, a fact holds from that moment on: it is not known to have held before.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

from .dates import TimeExpression, find_times
from .extracting import occurs
from .types import Episode, Fact

_AHEAD = re.compile(
    r"\b(?:will|shall|won['’]t|going\s+to|about\s+to|plans?\s+to|planning\s+to|tomorrow|soon)\b|['’]ll\b|"
    r"(?:\b(?:am|is|are)|['’](?:m|s|re))\s+(?:not\s+)?[a-z]+ing\b|"
    r"\b(?:starts?|begins?|ends?|expires?|leaves?|joins?|moves?|retires?)\b",
    re.IGNORECASE,
)
"""Words of what is still to come; in the present tense some tell of a date that is set."""
_AT_THE_LATEST = re.compile(r"(?:by|not?\s+later\s+than)\b", re.IGNORECASE)
_PAST = re.compile(
    r"\b(?:since|was|were|had|did|used\s+to|have|has|been|[a-z]+ed|"
    r"became|began|bought|broke|brought|built|came|chose|drove|fell|felt|flew|found|gave|got|grew|held|kept|knew|left|lost|made|"
    r"met|paid|ran|rode|said|sang|sat|saw|sent|slept|sold|spent|spoke|stood|swam|taught|thought|told|took|went|won|wore|wrote)\b",
    re.IGNORECASE,
)
_UNTIL = re.compile(r"\b(?:until|till|by)\b", re.IGNORECASE)

_SENTENCE = re.compile(r"(?<=[.!?;\n])\s+")


def dated(fact: Fact, episode: Episode) -> Fact:
    """The fact with the interval that its episode tells; one that has a date already is left as it is.

    ```python
    from datetime import datetime, timezone
    from ragloom.stores.memory import Episode, Fact
    from ragloom.stores.memory.dating import dated

    said = Episode("I moved to Berlin last Friday.", datetime(2024, 3, 5, 9, tzinfo=timezone.utc), source="Ann")
    print(dated(Fact("Ann", "lives_in", "Berlin"), said).valid_from)  # -> 2024-03-01 00:00:00+00:00
    ```
    """
    if fact.valid_from is not None or fact.valid_to is not None:
        return fact
    said = "" if episode.kind == "json" else sentence_of(fact, episode)  # a field beside it is another matter's date
    start, end = told(said, episode.occurred_at)
    if start is None and end is None:
        start = episode.occurred_at
    return replace(fact, valid_from=start, valid_to=end)


def told(text: str, said_at: datetime) -> tuple[datetime | None, datetime | None]:
    """Start and end that a sentence gives what it tells; None where it says nothing of it.

    A day, month or weekday without a year is the last one before it was said (`I moved in March`), or the next one
    where the sentence looks ahead (`I will move in March`, `I work here until March`).
    """
    start: datetime | None = None
    end: datetime | None = None
    ahead = not _PAST.search(text) and bool(_AHEAD.search(text) or _UNTIL.search(text))
    for time in find_times(text, said_at, ahead=ahead):
        first, last = _ends(time)
        start = start or first
        end = end or last
    return (start, end) if start is None or end is None or start < end else (start, None)


def _ends(time: TimeExpression) -> tuple[datetime | None, datetime | None]:
    if time.anchor is None or _AT_THE_LATEST.match(time.text):  # when it began, at the latest, not when it ended
        return None, None
    if time.is_range:
        return time.anchor.start, time.anchor.end
    match time.relation:
        case "before":
            return None, time.anchor.start
        case "until" | "over":
            return None, time.anchor.end
        case "after":
            return time.anchor.end, None
        case _:
            return time.anchor.start, None


def sentence_of(fact: Fact, episode: Episode) -> str:
    """The sentence of an episode that tells a fact; all of it, where none has its object."""
    sentences = _SENTENCE.split(episode.content)
    with_object = [sentence for sentence in sentences if occurs(fact.object, sentence)]
    with_both = (sentence for sentence in with_object if occurs(fact.subject, sentence))
    return next(with_both, with_object[0] if with_object else episode.content)
