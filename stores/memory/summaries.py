"""What an entity is, in a few sentences: those of its facts, or a text that an LLM wrote of them.

An extractive summary is a function of the facts that are believed, so it has the versions that they have, and nothing
of it is stored. A written one is stored as a version of the entity, and goes when a fact that it may tell is erased.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .checks import check_text
from .entities import EntityWriter
from .errors import MemoryValueError
from .file import Reading, Writing
from .parts import Parts
from .records import VERSION, fact_records, known
from .types import FactRecord

_LOOKED_AT = 200
"""Facts of an entity that are looked at; a hub has many thousands."""


def extractive(facts: Sequence[FactRecord], *, most: int = 3) -> str:
    """The statements of a few facts: those that still hold first, then those of more episodes, then the latest."""
    ranked = sorted(facts, key=_rank)[:most]
    return " ".join(f"{record.fact.statement.rstrip('.')}." for record in ranked)


def _rank(record: FactRecord) -> tuple[bool, int, float, int]:
    start = record.fact.valid_from
    return record.fact.valid_to is not None, -len(record.episodes), -(start.timestamp() if start else 0.0), record.id


def facts_about(reading: Reading, entity: int, known_at: int) -> list[FactRecord]:
    """Facts of an entity that were believed at a record time, whenever they held; of a hub, some."""
    sql = f"{VERSION} WHERE v.same_as IS NULL AND {known(known_at, 'v.')} AND "
    rows = reading.file.all(
        f"SELECT * FROM ({sql} v.subject = ? LIMIT {_LOOKED_AT}) "
        f"UNION SELECT * FROM ({sql} v.object = ? LIMIT {_LOOKED_AT})",
        entity,
        entity,
    )
    return fact_records(reading, rows, known_at)


def summary(reading: Reading, entity: int, known_at: int) -> str:
    """The summary of an entity as it was believed: the one that was told or written, else what its facts say."""
    sql = f"SELECT summary FROM entity_versions WHERE entity = ? AND {known(known_at)}"
    row = reading.file.one(sql, entity)
    told = str(row["summary"]) if row else ""
    return told or extractive(facts_about(reading, entity, known_at))


def write_summary(
    writing: Writing, parts: Parts, entity: int, text: str, facts: Collection[int], *, erasures: int
) -> None:
    """Store a summary of `facts` as a new version of an entity; `erasures`: how many there had been before.

    Raises:
        MemoryValueError: it cannot be stored, or something was forgotten or erased meanwhile.
    """
    sql = "SELECT DISTINCT fact FROM fact_versions WHERE recorded_to IS NULL AND fact IN (%s)"
    if writing.reading.erasures != erasures or len(writing.file.among(sql, sorted(facts))) < len(set(facts)):
        raise MemoryValueError(
            "something was forgotten or erased meanwhile, which the summary may tell; write it again"
        )
    sql = "SELECT * FROM entity_versions WHERE entity = ? AND recorded_to IS NULL"
    row = writing.file.one(sql, entity)
    if row is None:
        raise MemoryValueError(f"the entity {entity} was forgotten meanwhile; there is nothing to summarise")
    EntityWriter(writing, parts.words).replace(row, summary=check_text("summary", text))
