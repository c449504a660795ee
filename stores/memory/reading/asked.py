"""What a search is asked for, checked once."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import get_args

from ...._explain import unknown
from ..checks import check_text, relation_name, several, whole_number
from ..errors import MemoryValueError
from ..file import Reading
from ..instants import to_micros, to_utc
from ..interval import Interval
from ..parts import Parts
from .hits import Kind
from .neighbourhood import find_entity
from .recipes import Recipe
from .standing import Standing
from .times import AskedTime, read_time

_INSTANT = timedelta(microseconds=1)
_LAST = datetime.max.replace(tzinfo=UTC)

_ASKS_OF_THE_PAST = re.compile(
    r"^\W*(?:when\s+(?:did|was|were|has|have|had)|how\s+long|has|have|had|did|was|were)\b|\bever\b", re.IGNORECASE
)
"""Questions that name no time and are not of what holds now: `When did ...?`, `Has she ever ...?`"""

When = datetime | Interval
"""An instant, or all instants of an interval."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for.

    Attributes:
        query: the question.
        k: how many hits.
        kinds: what may be found.
        types: labels of which an entity, or one of a fact's ends, has one; empty: any.
        standing: which facts.
        recipe: what puts what is found in order.
        time: what was made of the times in the question.
    """

    query: str
    k: int
    kinds: frozenset[Kind]
    types: frozenset[str]
    standing: Standing
    recipe: Recipe
    time: AskedTime


@dataclass(frozen=True, slots=True)
class Options:
    """How a search is narrowed, as a caller gave it; see `Group.search`."""

    k: int
    valid_at: When | None
    known_at: datetime | None
    kinds: Collection[Kind] | None
    types: Collection[str]
    relations: Collection[str]
    around: str | int | None
    recipe: Recipe

    def asked(self, query: str, reading: Reading, parts: Parts) -> Asked:
        """What is asked for in a group.

        Raises:
            MemoryValueError: the query is empty, or an option has a value that cannot be used.
            NaiveDatetimeError: a time has no time zone.
            NotInGroupError: there is no entity to look around.
        """
        if not check_text("query", query).strip():
            raise MemoryValueError("the query is empty; ask something")
        known = as_known(self.known_at, reading)
        relations = frozenset(relation_name(each) for each in several("relations", self.relations))
        entities = None if self.around is None else frozenset({find_entity(reading, self.around, known)})
        now = parts.now()
        time = read_time(reading, parts.words, query, now, known) if self.valid_at is None else AskedTime()
        then = Interval() if self.valid_at is None and _ASKS_OF_THE_PAST.search(query) else self.valid_at or now
        valid = (time.used and time.used.interval) or as_valid(then)
        return Asked(
            query,
            whole_number("k", self.k),
            self._kinds(relations),
            frozenset(several("types", self.types)),
            Standing(known, valid, time.used is not None and time.used.relation == "over", relations, entities),
            self.recipe,
            time,
        )

    def _kinds(self, relations: Collection[str]) -> frozenset[Kind]:
        """What may be found: an episode has neither relation nor type, an entity no relation."""
        kinds: frozenset[Kind] = (
            frozenset(get_args(Kind))
            if self.kinds is None
            else frozenset(
                several("kinds", self.kinds)  # type: ignore[arg-type]  # checked below
            )
        )
        for kind in kinds:
            if kind not in get_args(Kind):
                raise MemoryValueError(unknown("kind", kind, get_args(Kind)))
        if relations:
            kinds &= {"fact"}
        return kinds - {"episode"} if self.types else kinds


def as_known(known_at: datetime | None, reading: Reading) -> int:
    """A record time in microseconds; without one that of the last write.

    Raises:
        NaiveDatetimeError: it has no time zone.
    """
    return reading.recorded if known_at is None else to_micros(to_utc(known_at, "known_at"))


def as_valid(when: When) -> Interval:
    """A valid time as an interval.

    Raises:
        NaiveDatetimeError: it has no time zone.
        MemoryValueError: it is neither a datetime nor an interval.
    """
    if isinstance(when, Interval):
        return when
    start = to_utc(when, "valid_at")
    return Interval(start, start + _INSTANT if start < _LAST else None)
