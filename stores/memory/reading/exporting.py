"""Everything that a group holds, as JSON Lines: each version of each thing is a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from ..file import Reading
from ..instants import optional_instant
from ..interval import Interval
from ..records import VERSION, entity_record, episode_record, fact_records
from ..types import EntityRecord, EpisodeRecord, FactRecord
from .hits import Record

_AT_ONCE = 1000


def lines_of(reading: Reading) -> Iterator[str]:
    """A line for each episode, and for each version of an entity and a fact, in the order in which they were written."""
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
    for row in _rows(reading, "SELECT * FROM episodes AS t"):
        yield episode_record(row)
    for row in _rows(reading, "SELECT * FROM entity_versions AS t"):
        names = reading.file.all(
            "SELECT name FROM aliases WHERE entity = ? AND recorded_from <= ? ORDER BY key",
            row["entity"],
            row["recorded_to"] or reading.recorded,
        )
        yield entity_record(row, [each["name"] for each in names])
    for row in _rows(reading, f"{VERSION.replace(' AS v', ' AS t').replace('v.', 't.')}"):
        yield from fact_records(reading, [row], row["recorded_from"])
