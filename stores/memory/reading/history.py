"""How what is believed came about: the versions of a fact or an entity, and what changed between two points in time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ..errors import NotInGroupError
from ..file import Reading
from ..records import VERSION, entity_records, fact_records, known, last_believed
from ..types import EntityRecord, FactRecord
from .standing import LASTED


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in both times.

    Attributes:
        valid_at: what held then; None: now.
        known_at: as it was believed then; None: as it is believed now.
    """

    valid_at: datetime | None = None
    known_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Diff:
    """What is different between two moments.

    Attributes:
        added: facts that stand at the second alone.
        removed: facts that stand at the first alone, as they were believed then.
        changed: facts that stand at both, but with another interval or confidence: first and second.
    """

    added: tuple[FactRecord, ...]
    removed: tuple[FactRecord, ...]
    changed: tuple[tuple[FactRecord, FactRecord], ...]

    def __bool__(self) -> bool:
        """Whether there is any difference."""
        return bool(self.added or self.removed or self.changed)


def difference(first: Iterable[FactRecord], second: Iterable[FactRecord]) -> Diff:
    """What is different between the facts that stand at two moments."""
    before, after = {each.id: each for each in first}, {each.id: each for each in second}
    both = [(before[key], after[key]) for key in before if key in after]
    return Diff(
        tuple(after[key] for key in after if key not in before),
        tuple(before[key] for key in before if key not in after),
        tuple((one, other) for one, other in both if one.fact != other.fact),
    )


def versions_of(reading: Reading, key: int) -> tuple[FactRecord, ...] | tuple[EntityRecord, ...]:
    """Every version of a fact or an entity, with names and support as it was last believed, the oldest first.

    Raises:
        NotInGroupError: the group has neither a fact nor an entity of this id.
    """
    if reading.has_key(key):
        for table, column, versions in (
            ("fact_versions", "fact", _of_fact),
            ("entity_versions", "entity", _of_entity),
        ):
            sql = f"SELECT recorded_to FROM {table} WHERE {column} = ? AND {LASTED} ORDER BY recorded_from"
            if last := [last_believed(reading, row) for row in reading.file.all(sql, key)]:
                return versions(reading, key, last)
    raise NotInGroupError(f"the group has no fact and no entity with the id {key}")


def _of_fact(reading: Reading, key: int, last: Iterable[int]) -> tuple[FactRecord, ...]:
    rows = ((at, reading.file.all(f"{VERSION} WHERE v.fact = ? AND {known(at, 'v.')}", key)) for at in last)
    return tuple(record for at, versions in rows for record in fact_records(reading, versions, at))


def _of_entity(reading: Reading, key: int, last: Iterable[int]) -> tuple[EntityRecord, ...]:
    return tuple(record for at in last for record in entity_records(reading, [key], at).values())
