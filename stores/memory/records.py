"""Rows of the database as the values that callers get."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from sqlite3 import Row

from .file import Reading
from .instants import from_micros, optional_instant
from .interval import Interval
from .types import Entity, EntityRecord, Episode, EpisodeRecord, Fact, FactRecord


def known(at: int | str, table: str = "") -> str:
    """SQL for the rows of a table (`"v."`) that were believed at a record time, a number or a placeholder."""
    return f"({table}recorded_from <= {at} AND ({table}recorded_to IS NULL OR {table}recorded_to > {at}))"


def valid(at: int | str, table: str = "") -> str:
    """SQL for the rows of a table (`"v."`) that held at a valid time, a number or a placeholder."""
    starts = f"({table}valid_from IS NULL OR {table}valid_from <= {at})"
    return f"({starts} AND ({table}valid_to IS NULL OR {table}valid_to > {at}))"


VERSION = "SELECT v.*, f.statement FROM fact_versions AS v JOIN facts AS f ON f.key = v.fact"
"""Selects versions of facts for `fact_records`; follow it with WHERE. `v.same_as IS NULL` leaves repetitions out."""


def last_believed(reading: Reading, row: Row) -> int:
    """The last record time at which a version was believed: what it rested on by then includes what came later."""
    return reading.recorded if row["recorded_to"] is None else int(row["recorded_to"]) - 1


def recorded(row: Row) -> Interval:
    """The record interval of a row."""
    return Interval(from_micros(row["recorded_from"]), optional_instant(row["recorded_to"]))


def episode_record(row: Row) -> EpisodeRecord:
    """An episode of a row of `episodes`."""
    episode = Episode(row["content"], from_micros(row["occurred_at"]), row["source"], row["kind"])
    return EpisodeRecord(row["key"], episode, recorded(row))


def fact_records(reading: Reading, rows: Sequence[Row], known_at: int) -> list[FactRecord]:
    """Facts of rows that `VERSION` selected, with names and support as known at a record time, in microseconds."""
    names = entity_names(reading, {end for row in rows for end in (row["subject"], row["object"])}, known_at)
    episodes = supporting(reading, [row["fact"] for row in rows], known_at)
    return [
        FactRecord(
            row["fact"],
            Fact(
                names[row["subject"]],
                row["relation"],
                names[row["object"]],
                row["statement"],
                optional_instant(row["valid_from"]),
                optional_instant(row["valid_to"]),
                row["confidence"],
            ),
            row["subject"],
            row["object"],
            tuple(sorted(episodes[row["fact"]])),
            row["ended_by"],
            recorded(row),
        )
        for row in rows
    ]


def supporting(reading: Reading, facts: Iterable[int], known_at: int) -> dict[int, set[int]]:
    """Fact to the episodes that it, and the facts that it stands for, rested on at a record time."""
    stands: dict[int, int] = {fact: fact for fact in facts}
    believed = known(known_at)
    same = f"SELECT fact, same_as FROM fact_versions WHERE same_as IN (%s) AND {believed}"
    stands |= {row["fact"]: row["same_as"] for row in reading.file.among(same, list(stands))}
    sql = f"SELECT fact, episode FROM support WHERE fact IN (%s) AND episode IS NOT NULL AND {believed}"
    episodes: dict[int, set[int]] = defaultdict(set)
    for row in reading.file.among(sql, list(stands)):
        episodes[stands[row["fact"]]].add(row["episode"])
    return episodes


def entity_names(reading: Reading, entities: Iterable[int], known_at: int) -> dict[int, str]:
    """Entity to its canonical name at a record time."""
    sql = f"SELECT entity, name FROM entity_versions WHERE entity IN (%s) AND {known(known_at)}"
    return {row["entity"]: row["name"] for row in reading.file.among(sql, sorted(set(entities)))}


def entity_record(row: Row, aliases: Sequence[str]) -> EntityRecord:
    """An entity of a row of `entity_versions`; `aliases` are all its names."""
    others = tuple(alias for alias in dict.fromkeys(aliases) if alias != row["name"])
    entity = Entity(row["name"], others, tuple(json.loads(row["types"])), json.loads(row["attributes"]), row["summary"])
    return EntityRecord(row["entity"], entity, recorded(row))


def entity_records(reading: Reading, entities: Iterable[int], known_at: int) -> dict[int, EntityRecord]:
    """Entities as they were believed at a record time, with the names of all that were merged into them."""
    wanted = sorted(set(entities))
    sql = f"SELECT * FROM entity_versions WHERE entity IN (%s) AND {known(known_at)}"
    names = _names(reading, wanted, known_at)
    return {row["entity"]: entity_record(row, names[row["entity"]]) for row in reading.file.among(sql, wanted)}


def _names(reading: Reading, entities: Sequence[int], known_at: int) -> dict[int, list[str]]:
    """Entity to all its names at a record time, oldest first: those of entities that are taken for it and believed."""
    stands = {entity: entity for entity in entities}
    step = list(entities)
    sql = f"SELECT entity, into_entity FROM merges WHERE into_entity IN (%s) AND {known(known_at)}"
    while step:
        found = {row["entity"]: stands[row["into_entity"]] for row in reading.file.among(sql, step)}
        step = [entity for entity in found if entity not in stands]
        stands |= {entity: found[entity] for entity in step}
    names: dict[int, list[str]] = defaultdict(list)
    believed = f"SELECT 1 FROM entity_versions AS e WHERE e.entity = aliases.entity AND {known(known_at, 'e.')}"
    among = (
        "SELECT key, entity, name FROM aliases "
        f"WHERE entity IN (%s) AND recorded_from <= {known_at} AND EXISTS ({believed})"
    )
    for row in sorted(reading.file.among(among, list(stands)), key=lambda row: row["key"]):
        names[stands[row["entity"]]].append(row["name"])
    return names
