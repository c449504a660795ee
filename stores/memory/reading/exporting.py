"""Everything that a group holds, as JSON: each version of each thing is a line."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from sqlite3 import Row
from typing import Any

from ..file import Reading
from ..interval import Interval
from ..records import VERSION, entity_record, episode_record, fact_records, last_believed
from ..types import EntityRecord, EpisodeRecord, FactRecord
from .hits import Record
from .standing import LASTED

_AT_ONCE = 1000


def lines_of(reading: Reading) -> Iterator[str]:
    """A line for each episode, then for each version of an entity, then for each version of a fact; oldest first."""
    for record in _records(reading):
        yield json.dumps(as_json(record), ensure_ascii=False)


def as_json(record: Record) -> dict[str, Any]:
    """A record as values that JSON has; times are texts in UTC, open ends are null."""
    match record:
        case EpisodeRecord():
            said = record.episode
            own = {"content": said.content, "occurred_at": _text(said.occurred_at), "source": said.source}
            return {"kind": "episode", "id": record.id, **own, "form": said.kind, **_recorded(record.recorded)}
        case FactRecord():
            fact = record.fact
            return {
                "kind": "fact",
                "id": record.id,
                "subject": fact.subject,
                "relation": fact.relation,
                "object": fact.object,
                "statement": fact.statement,
                "valid_from": _text(fact.valid_from),
                "valid_to": _text(fact.valid_to),
                "confidence": fact.confidence,
                "episodes": list(record.episodes),
                "ended_by": record.ended_by,
                **_recorded(record.recorded),
            }
        case EntityRecord():
            entity = record.entity
            return {
                "kind": "entity",
                "id": record.id,
                "name": entity.name,
                "aliases": list(entity.aliases),
                "types": list(entity.types),
                "attributes": dict(entity.attributes),
                "summary": entity.summary,
                **_recorded(record.recorded),
            }


def _records(reading: Reading) -> Iterator[Record]:
    for rows in _rows(reading, "SELECT e.* FROM episodes AS e", "e"):
        yield from map(episode_record, rows)
    for rows in _rows(reading, "SELECT e.* FROM entity_versions AS e", "e"):
        names = _names(reading, rows)
        for row in rows:
            last = last_believed(reading, row)
            yield entity_record(row, [name for name, told_at in names[row["entity"]] if told_at <= last])
    for rows in _rows(reading, VERSION, "v"):
        together: defaultdict[int, list[Row]] = defaultdict(list)
        for row in rows:
            together[last_believed(reading, row)].append(row)
        found = {each: record for at, those in together.items() for each, record in _of_versions(reading, those, at)}
        yield from (found[row["key"]] for row in rows)


def _of_versions(reading: Reading, rows: Sequence[Row], at: int) -> Iterator[tuple[int, FactRecord]]:
    yield from zip((row["key"] for row in rows), fact_records(reading, rows, at), strict=True)


def _names(reading: Reading, rows: Iterable[Row]) -> Mapping[int, Sequence[tuple[str, int]]]:
    """Each entity to its own names, oldest first, and when they were told."""
    sql = "SELECT key, entity, name, recorded_from FROM aliases WHERE entity IN (%s)"
    told = reading.file.among(sql, sorted({row["entity"] for row in rows}))
    names: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
    for row in sorted(told, key=lambda each: each["key"]):
        names[row["entity"]].append((row["name"], row["recorded_from"]))
    return names


def _rows(reading: Reading, select: str, table: str) -> Iterator[Sequence[Row]]:
    """All rows of the group, some at a time."""
    last = reading.low - 1
    while rows := reading.file.all(
        f"{select} WHERE {table}.key > ? AND {table}.key <= ? AND {LASTED} ORDER BY {table}.key LIMIT {_AT_ONCE}",
        last,
        reading.high,
    ):
        yield rows
        last = rows[-1]["key"]


def _recorded(interval: Interval) -> dict[str, str | None]:
    return {"recorded_from": _text(interval.start), "recorded_to": _text(interval.end)}


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
