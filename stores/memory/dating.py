"""When a fact held, by the words of the episode that tells it.

The sentence that has both names is read, else one that has the object; what it says of time is related to the moment
at which it was said. Where no time is named, a fact holds from that moment on: it is not known to have held before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from .dates import TimeExpression, find_times
from .dates.tense import looks_ahead
from .extracting import occurs
from .types import Episode, Fact

_AT_THE_LATEST = re.compile(r"(?:by|not?\s+later\s+than)\b", re.IGNORECASE)
_BREAK = re.compile(
    r"[,;]\s+(?:(?:and|but|then)\s+)*|"
    r"\s+(?:and|but|then)\s+(?=(?:then|at|in|to|into|for|with|since|from|now|i|we|he|she|they|it|you|[a-z]+ed)\b)",
    re.IGNORECASE,
)
"""Between two clauses of a sentence."""
_SUBJECT = re.compile(r"\b(?:i|we|he|she|they|it|you)\b", re.IGNORECASE)
_SUBORDINATE = re.compile(r"\W*(?:when|while|after|before|since|until|till|once)\b", re.IGNORECASE)
_LEAVING = r"\b(?:left|quit|stopped|resigned|retired|moved\s+out|moved\s+away|gave\s+up|dropped\s+out|sold)\b"
_BETWEEN = r"(?:working|living|playing|studying|teaching|for|at|in|with|from|of|as|my|our|his|her|their|the|a|an|job)"
"""What may stand between such a verb and what is left."""

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
    start, end = told(said, fact.object, episode.occurred_at)
    if _leaves(said, fact):
        start, end = None, start or end or episode.occurred_at
    elif start is None and end is None:
        start = episode.occurred_at
    return replace(fact, valid_from=start, valid_to=end)


def told(text: str, name: str, said_at: datetime) -> tuple[datetime | None, datetime | None]:
    """Start and end that a sentence gives what it tells of `name`; None where it says nothing of it.

    A day, month or weekday without a year is the last one before it was said (`I moved in March`), or the next one
    where the sentence looks ahead (`I will move in March`, `I work here until March`).
    """
    start: datetime | None = None
    end: datetime | None = None
    for time in _times(text, name, said_at):
        first, last = _ends(time)
        start = start or first
        end = end or last
    return (start, end) if start is None or end is None or start < end else (start, None)


def _times(text: str, name: str, said_at: datetime) -> list[TimeExpression]:
    """The times of the clause that has the name; if it has none, of those that are no sentence by themselves."""
    times = find_times(text, said_at, ahead=looks_ahead(text))
    clauses = _clauses(text, times)
    own = next((clause for clause in clauses if occurs(name, text[slice(*clause)])), None)
    if own is None:
        return times
    inside = [time for time in times if own[0] <= time.start < own[1]]
    return inside or [
        time
        for time in times
        for start, end in clauses
        if start <= time.start < end and (_SUBORDINATE.match(text, start) or not _SUBJECT.search(text, start, end))
    ]


def _clauses(text: str, times: Sequence[TimeExpression]) -> list[tuple[int, int]]:
    """Where the clauses of a sentence stand; no time is divided (`between 2016 and 2018`)."""
    breaks = [
        match.span()
        for match in _BREAK.finditer(text)
        if not any(time.start <= match.start() < time.end for time in times)
    ]
    edges = [0, *(edge for each in breaks for edge in each), len(text)]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _leaves(text: str, fact: Fact) -> bool:
    """Whether a sentence tells that a fact is over (`I left Acme`); one that is itself about leaving is not."""
    verb = re.search(rf"{_LEAVING}\s+(?:{_BETWEEN}\s+)*{re.escape(fact.object)}\b", text, re.IGNORECASE)
    return verb is not None and not re.search(_LEAVING, fact.relation.replace("_", " "), re.IGNORECASE)


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
