"""The times in a question: which of them is used, and what it is when it is an event that the memory knows of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ..dates import TimeExpression, find_times
from ..dates.tense import looks_ahead
from ..file import Reading
from ..instants import from_micros
from ..interval import Interval
from ..records import VERSION
from ..records import known as believed
from ..words import Words
from .standing import AMONG, Standing, as_list
from .wording import shown
from .words import with_all_words

Common = Callable[..., int]
"""How many words some texts have in common with what is asked."""

_DEPTH = 20
"""How many facts and episodes that name an event are looked at."""


@dataclass(frozen=True, slots=True)
class AskedTime:
    """What was made of the times in a question.

    Attributes:
        used: the one that is asked about, with its interval; None: there is none, or nobody knows when it was.
        notes: a sentence on each time that was found.
    """

    used: TimeExpression | None = None
    notes: tuple[str, ...] = ()


def read_time(reading: Reading, words: Words, question: str, now: datetime, known: int) -> AskedTime:
    """Find the time that a question asks about.

    Of several it is the one that says most of what is asked: a range, or a time that something was before or after; the
    others mostly belong to a description ("the man born in 1911"). An event is looked up in what the memory holds.
    """
    notes: list[str] = []
    dated: list[TimeExpression] = []
    for time in find_times(question, now, ahead=looks_ahead(question)):
        if time.anchor is not None:
            dated.append(time)
        elif (found := _look_up(reading, words, time.event, _around(question, time), known)) is not None:
            anchor, source = found
            dated.append(time.anchored(anchor))
            notes.append(f"“{time.event}” was {shown(anchor)}, as “{source}” says")
        else:
            notes.append(f"“{time.text}” was not used: nothing here says when that was")
    if not dated:
        return AskedTime(None, tuple(notes))
    used = max(dated, key=lambda time: (_weight(time), time.start))
    notes += [f"“{each.text}” was not used: “{used.text}” is" for each in dated if each is not used]
    notes.append(f"“{used.text}” was read as {_asked(used)}")
    return AskedTime(used, tuple(notes))


def _weight(time: TimeExpression) -> int:
    """Ranges and sides of a date before what is over, and that before a date by itself."""
    if time.is_range or time.relation in ("before", "after", "since", "until"):
        return 2
    return 1 if time.relation == "over" else 0


def _around(question: str, time: TimeExpression) -> str:
    """The question without the words that name an event: they say whose it is."""
    return question[: time.start] + question[time.end :]


def _look_up(reading: Reading, words: Words, event: str, around: str, known: int) -> tuple[Interval, str] | None:
    """When an event was, and the words that say so: a fact with a start that names it, or else what was said of it.

    Of several it is the one that has most of the words `around` the event, and of those the latest.
    """
    terms, of = words.content(event), set(words.content(around))

    def common(*texts: str) -> int:
        return len(of.intersection(term for text in texts for term in words.content(text)))

    facts = with_all_words(reading, "fact_words", terms, _DEPTH)
    return _from_facts(reading, facts, common, known) or _from_episodes(
        reading, with_all_words(reading, "episode_words", terms, _DEPTH), common, known
    )


def _from_facts(reading: Reading, facts: list[int], common: Common, known: int) -> tuple[Interval, str] | None:
    """The fact with most in common whose start is known; of several the latest."""
    condition, values = Standing(known).condition
    sql = f"{VERSION} WHERE v.fact {AMONG} AND {condition} AND v.valid_from IS NOT NULL ORDER BY v.valid_from DESC"
    rows = reading.file.all(sql, as_list(facts), *values)
    if not rows:
        return None
    row = max(rows, key=lambda each: common(each["statement"]))
    end = row["valid_to"]
    return Interval(from_micros(row["valid_from"]), None if end is None else from_micros(end)), row["statement"]


def _from_episodes(reading: Reading, episodes: list[int], common: Common, known: int) -> tuple[Interval, str] | None:
    """Of the episode with most in common: the start of a fact that rests on it, a time in its words, or its own day."""
    sql = f"SELECT * FROM episodes WHERE key {AMONG} AND {believed(known)} ORDER BY occurred_at DESC"
    rows = reading.file.all(sql, as_list(episodes))
    if not rows:
        return None
    row = max(rows, key=lambda each: common(each["source"], each["content"]))
    resting = f"SELECT fact FROM support AS s WHERE s.episode = ? AND {believed(known, 's.')}"
    facts = [each["fact"] for each in reading.file.all(resting, row["key"])]
    said_at = from_micros(row["occurred_at"])
    own = (time.anchor for time in find_times(row["content"], said_at) if time.relation == "in" and time.anchor)
    day = find_times("today", said_at)[0].anchor
    started = _from_facts(reading, facts, common, known)
    anchor = started[0] if started else next(own, None) or day
    return (anchor, row["content"]) if anchor else None


def _asked(time: TimeExpression) -> str:
    if time.relation == "over":
        return "what had ended by now"
    assert time.interval is not None, "it has an anchor"
    return shown(time.interval)
