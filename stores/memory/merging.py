"""Merges: one entity taken for another, on record, explained, and undone.

A name that is another name of a known entity is an entity of its own that is taken for that one. So nothing is lost
when the two become one: what was said of either still stands by the name under which it was said, and an undone merge
gives each its own facts back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from sqlite3 import Row

from .beliefs import Stated
from .entities import EntityWriter, roots
from .errors import MemoryValueError, NotInGroupError
from .file import Reading, Writing
from .interval import Interval
from .parts import Parts
from .records import known, recorded
from .settling import Settled, Settling
from .words import Words

BY_HAND = "by hand"


@dataclass(frozen=True, slots=True)
class MergeRecord:
    """A merge: `entity` is taken for `into`; ids, and the names that they had alone.

    Attributes:
        id: what undoes it.
        entity: id of the one that is taken for another.
        name: its name.
        into: id of the other.
        into_name: the name of that one.
        method: how they were found to be the same: `spelling`, `fuzzy`, `acronym`, `judge` or `by hand`.
        score: how alike they are, 0 to 100, in the terms of the method.
        reason: in words.
        recorded: when this was believed; it ends when it is undone.
    """

    id: int
    entity: int
    name: str
    into: int
    into_name: str
    method: str
    score: float
    reason: str
    recorded: Interval


def write_merge(  # noqa: PLR0913 - what a merge says of itself, by keyword
    writing: Writing, words: Words, entity: int, into: int, *, method: str, score: float, reason: str
) -> int:
    """Take an entity for another one from now on; facts are not looked at. The id of the merge.

    Both are believed in from now on, for what is believed of one has to have an entity to be about.

    Raises:
        MemoryValueError: the two are one already.
    """
    root = roots(writing.reading, {entity, into})
    if root[entity] == root[into]:
        raise MemoryValueError(f"{entity} and {into} are one entity already")
    EntityWriter(writing, words).revive(root.values(), {})
    (key,) = writing.keys(1)
    writing.file.execute(
        "INSERT INTO merges VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
        key,
        root[entity],
        root[into],
        method,
        score,
        reason,
        writing.recorded,
    )
    return key


def undo_merge(writing: Writing, parts: Parts, merge: int) -> Settled:
    """End a merge, and give each entity its own facts back.

    Raises:
        NotInGroupError: the group has no such merge, or it is undone already.
    """
    in_force = "SELECT * FROM merges WHERE key = ? AND recorded_to IS NULL"
    row = writing.file.one(in_force, merge) if writing.reading.has_key(merge) else None
    if row is None:
        raise NotInGroupError(f"this group has no merge {merge!r} that could be undone; `merges()` lists them")
    root = roots(writing.reading, [row["into_entity"]])[row["into_entity"]]
    writing.close("merges", [merge])
    settled = reground(writing, {root}, parts.single_valued)
    EntityWriter(writing, parts.words).retire({row["entity"], root})
    return settled


def reground(writing: Writing, entities: Iterable[int], single_valued: Collection[str]) -> Settled:
    """Settle anew the facts of entities that are taken for others now, or no longer."""
    sql = (
        "SELECT v.fact, f.subject, f.relation, f.object, f.valid_from, f.valid_to, v.subject AS old_subject, "
        "v.object AS old_object, (SELECT max(confidence) FROM support WHERE fact = f.key AND recorded_to IS NULL) "
        "AS supported FROM fact_versions AS v JOIN facts AS f ON f.key = v.fact WHERE v.recorded_to IS NULL AND "
    )
    concerned = sorted(set(entities))
    rows = {
        row["fact"]: row
        for end in ("subject", "object")
        for row in writing.file.among(f"{sql} v.{end} IN (%s)", concerned)
    }
    root = roots(writing.reading, {end for row in rows.values() for end in (row["subject"], row["object"])})
    moved = [row for row in rows.values() if _moves(row, root)]
    stated = [
        Stated(
            row["fact"],
            root[row["subject"]],
            row["relation"],
            root[row["object"]],
            row["valid_from"],
            row["valid_to"],
            row["supported"],
        )
        for row in moved
    ]
    return Settling(writing, single_valued).settle(stated, moved={row["fact"] for row in moved})


def _moves(row: Row, root: dict[int, int]) -> bool:
    return (root[row["subject"]], root[row["object"]]) != (row["old_subject"], row["old_object"])


def merge_records(reading: Reading, *, known_at: int) -> list[MergeRecord]:
    """The merges that were in force at a record time, oldest first."""
    rows = reading.file.all(
        "SELECT m.*, (SELECT name FROM aliases WHERE entity = m.entity ORDER BY key LIMIT 1) AS name, "
        "(SELECT name FROM aliases WHERE entity = m.into_entity ORDER BY key LIMIT 1) AS into_name "
        f"FROM merges AS m WHERE m.key BETWEEN ? AND ? AND {known(known_at, 'm.')} ORDER BY m.key",
        reading.low,
        reading.high,
    )
    return [
        MergeRecord(
            row["key"],
            row["entity"],
            row["name"],
            row["into_entity"],
            row["into_name"],
            row["method"],
            row["score"],
            row["reason"],
            recorded(row),
        )
        for row in rows
    ]
