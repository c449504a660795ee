"""How much a group holds."""

from __future__ import annotations

from dataclasses import dataclass

from ..file import Reading


@dataclass(frozen=True, slots=True)
class GroupStats:
    """Counts of a group.

    Attributes:
        episodes: that are remembered, without those that were forgotten.
        facts: that are believed, each once.
        entities: without those that are taken for others.
        versions: of facts, those that are believed no longer too.
        vectors: of episodes, facts and entities.
        generation: counts the writes.
    """

    episodes: int
    facts: int
    entities: int
    versions: int
    vectors: int
    generation: int


def stats_of(reading: Reading) -> GroupStats:
    """Count."""
    now = "recorded_to IS NULL"
    counts = (
        f"episodes WHERE {now} AND",
        f"fact_versions WHERE {now} AND same_as IS NULL AND",
        f"entity_versions WHERE {now} AND entity NOT IN (SELECT entity FROM merges WHERE {now}) AND",
        "fact_versions WHERE",
        "vectors WHERE",
    )
    of = f"key BETWEEN {reading.low} AND {reading.high}"
    columns = ", ".join(f"(SELECT count(*) FROM {each} {of})" for each in counts)
    ((episodes, facts, entities, versions, vectors),) = reading.file.all(f"SELECT {columns}")
    return GroupStats(episodes, facts, entities, versions, vectors, reading.generation)
