"""What the tests of the memory share: a clock that they set, and what is believed as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ragloom.stores.memory import Episode, Fact, FactRecord, Group, MemoryHit
from ragloom.stores.memory.instants import to_micros
from ragloom.stores.memory.records import VERSION, fact_records, known


def day(year: int, month: int = 1, of_month: int = 1) -> datetime:
    return datetime(year, month, of_month, tzinfo=UTC)


class Clock:
    """Record time as a test says; each look is a second later."""

    def __init__(self) -> None:
        self.time = day(2024)

    def __call__(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time


def believed(group: Group, known_at: datetime | None = None) -> list[FactRecord]:
    """All facts that were believed at a record time, whenever they held."""
    with group.reading() as reading:
        at = reading.recorded if known_at is None else to_micros(known_at)
        where = f" WHERE v.key BETWEEN ? AND ? AND v.same_as IS NULL AND {known(at, 'v.')} ORDER BY v.fact"
        return fact_records(reading, reading.file.all(VERSION + where, reading.low, reading.high), at)


Plain = tuple[str, str, str, str, str]


def plain(fact: Fact) -> Plain:
    """A fact as texts: its ends, its relation, and the days on which it began and ended."""
    days = [str(when.date()) if when else "" for when in (fact.valid_from, fact.valid_to)]
    return fact.subject, fact.relation, fact.object, days[0], days[1]


def told(group: Group, known_at: datetime | None = None) -> set[Plain]:
    """The same as `believed`, as plain texts."""
    return {plain(record.fact) for record in believed(group, known_at)}


def rows(group: Group, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with group.reading() as reading:
        return [tuple(row) for row in reading.file.all(sql, *values)]


def lived(group: Group) -> Group:
    """Ann lived in Paris and moved to Berlin, Bob likes jazz, and Acme, where she worked, is in Lyon."""
    group.remember_facts(
        [
            Fact("Ann", "lives_in", "Paris", valid_from=day(2019, 5), subject_type="person"),
            Fact("Ann", "works_for", "Acme", valid_from=day(2018), valid_to=day(2020)),
            Fact("Bob", "likes", "jazz", subject_type="person"),
            Fact("Acme", "located_in", "Lyon", valid_from=day(2010)),
        ]
    )
    moved = Episode("I moved to Berlin last Friday.", day(2021, 3, 8), "Ann")
    group.remember_facts([Fact("Ann", "lives_in", "Berlin", valid_from=day(2021, 3, 5))], episode=moved)
    return group


def facts(hits: Sequence[MemoryHit]) -> list[str]:
    """What the facts among hits say."""
    return [hit.text for hit in hits if hit.fact]
