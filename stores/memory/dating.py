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
    """Start and end that a sentence gives what it tells; None where it says nothing of it."""
    start: datetime | None = None
    end: datetime | None = None
    for time in find_times(text, said_at):
        first, last = _ends(time)
        start = start or first
        end = end or last
    return (start, end) if start is None or end is None or start < end else (start, None)


def _ends(time: TimeExpression) -> tuple[datetime | None, datetime | None]:
    if time.anchor is None:
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
