"""The records of what was found."""

from __future__ import annotations

from collections.abc import Collection

from ..file import Reading
from ..records import VERSION, entity_records, episode_record, fact_records, known
from .hits import Item, Record
from .standing import AMONG, as_list


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
