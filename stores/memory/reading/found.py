"""The records of what was found."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from ..file import Reading
from ..instants import from_micros
from ..records import VERSION, entity_records, episode_record, fact_records, known
from ..types import EpisodeRecord
from .hits import Item, Record
from .standing import AMONG, as_list


def episodes_of(reading: Reading, ids: Collection[int]) -> dict[int, EpisodeRecord]:
    """Episodes of the group by id, forgotten ones too."""
    own = [key for key in ids if reading.has_key(key)]
    rows = reading.file.all(f"SELECT * FROM episodes WHERE key {AMONG}", as_list(own))
    return {row["key"]: episode_record(row) for row in rows}


def episodes_of_kind(reading: Reading, kind: str, last: int | None = None) -> list[EpisodeRecord]:
    """The episodes of a kind that are remembered, or the last of them, in the order of their time."""
    sql = f"""SELECT * FROM episodes AS e WHERE key BETWEEN ? AND ? AND kind = ? AND {known(reading.recorded, "e.")}
        ORDER BY occurred_at DESC, key DESC LIMIT ?"""
    rows = reading.file.all(sql, reading.low, reading.high, kind, -1 if last is None else last)
    return [episode_record(row) for row in reversed(rows)]


def last_recorded(reading: Reading, kind: str) -> datetime | None:
    """When that was said of a kind of episodes that was remembered last; None: nothing was."""
    sql = f"""SELECT occurred_at FROM episodes AS e WHERE key BETWEEN ? AND ? AND kind = ?
        AND {known(reading.recorded, "e.")} ORDER BY key DESC LIMIT 1"""
    row = reading.file.one(sql, reading.low, reading.high, kind)
    return None if row is None else from_micros(row["occurred_at"])


def records_of(reading: Reading, items: Collection[Item], known_at: int) -> dict[Item, Record]:
    """The records of these items as they were believed at a record time; of those that were not, none."""
    ids = {kind: [item.id for item in items if item.kind == kind] for kind in ("episode", "fact", "entity")}
    episodes = f"SELECT * FROM episodes AS e WHERE e.key {AMONG} AND {known(known_at, 'e.')}"
    found: dict[Item, Record] = {}
    for row in reading.file.all(episodes, as_list(ids["episode"])):
        found[Item("episode", row["key"])] = episode_record(row)
    versions = reading.file.all(f"{VERSION} WHERE v.fact {AMONG} AND {known(known_at, 'v.')}", as_list(ids["fact"]))
    for fact in fact_records(reading, versions, known_at):
        found[Item("fact", fact.id)] = fact
    for key, entity in entity_records(reading, ids["entity"], known_at).items():
        found[Item("entity", key)] = entity
    return found
