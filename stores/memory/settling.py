"""Bringing the versions of facts up to date with what is stated, slot by slot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from sqlite3 import Row

from .beliefs import Belief, Ruling, Stated, settle
from .file import Writing

SINGLE_VALUED = frozenset({"lives_in", "works_for", "works_at", "married_to", "located_in", "has_status"})
"""Relations of which a subject has one object at a time."""

_Slot = tuple[int, str, int]
"""Subject, relation, object; object 0 for a single-valued relation."""

_OPEN = """SELECT v.*, f.valid_from AS stated_from, f.valid_to AS stated_to,
    (SELECT max(confidence) FROM support WHERE fact = v.fact AND recorded_to IS NULL) AS supported FROM """
_OF_FACTS = "fact_versions AS v JOIN facts AS f ON f.key = v.fact WHERE v.recorded_to IS NULL AND v.fact IN (%s)"
_IN_SLOTS = """(WITH wanted(subject, relation, object) AS (VALUES {}) SELECT * FROM wanted) AS w
    CROSS JOIN fact_versions AS v ON v.subject = w.subject AND v.relation = w.relation {}
    JOIN facts AS f ON f.key = v.fact WHERE v.recorded_to IS NULL"""
"""The order of the join is given, since SQLite would rather read every version than look for each slot."""

_AT_ONCE = 200
"""Slots in one query."""

_INSERT = "INSERT INTO fact_versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)"


@dataclass(frozen=True, slots=True)
class Settled:
    """What settling changed, by fact: versions that are closed, and those that were opened."""

    closed: Sequence[Row]
    opened: Sequence[Belief]


class Settling:
    """Settles slots within one write."""

    def __init__(self, writing: Writing, single_valued: Collection[str]) -> None:
        """Settle for `writing`; relations in `single_valued` have one object at a time."""
        self._writing = writing
        self._file = writing.file
        self._single_valued = single_valued

    def settle(
        self, added: Sequence[Stated] = (), *, touched: Iterable[int] = (), moved: Collection[int] = ()
    ) -> Settled:
        """Settle all slots that a change concerns.

        Args:
            added: statements that are new, were taken back before, or have other canonical ends now.
            touched: facts that may have gained or lost support.
            moved: those of the facts in `added` that stood between other entities so far.
        """
        before = {row["fact"]: row for row in self._versions(moved)}
        slots = {self._slot_of(each) for each in added}
        for row in (*before.values(), *self._versions(touched)):
            slots.add(self._slot(row["subject"], row["relation"], row["object"]))
        slots |= self._ruled({*touched, *moved, *(each.fact for each in added)})
        stated: dict[_Slot, dict[int, Stated]] = defaultdict(dict)
        for row in self._in_slots(slots):
            before[row["fact"]] = row
            if row["supported"] is not None and row["fact"] not in moved:
                stated[self._slot(row["subject"], row["relation"], row["object"])][row["fact"]] = _stated(row)
        for each in added:
            stated[self._slot_of(each)][each.fact] = each
        rulings = self._rulings([fact for slot in stated.values() for fact in slot])
        beliefs = [
            belief
            for slot in slots
            if stated[slot]
            for belief in settle(list(stated[slot].values()), single_valued=not slot[2], rulings=rulings)
        ]
        return self._write(before, beliefs)

    def _slot_of(self, stated: Stated) -> _Slot:
        return self._slot(stated.subject, stated.relation, stated.object)

    def _slot(self, subject: int, relation: str, target: int) -> _Slot:
        return subject, relation, 0 if relation in self._single_valued else target

    def _versions(self, facts: Iterable[int]) -> list[Row]:
        return self._file.among(_OPEN + _OF_FACTS, list(facts))

    def _in_slots(self, slots: Iterable[_Slot]) -> list[Row]:
        """What is believed in these slots."""
        wide = [slot for slot in slots if not slot[2]]
        full = [slot for slot in slots if slot[2]]
        rows: list[Row] = []
        for wanted, and_object in ((wide, ""), (full, "AND v.object = w.object")):
            for start in range(0, len(wanted), _AT_ONCE):
                part = wanted[start : start + _AT_ONCE]
                sql = _OPEN + _IN_SLOTS.format(", ".join(["(?, ?, ?)"] * len(part)), and_object)
                rows += self._file.all(sql, *(value for slot in part for value in slot))
        return rows

    def _ruled(self, facts: Collection[int]) -> set[_Slot]:
        """Slots of the facts that a judge found ended by one of these."""
        if not self._file.one("SELECT 1 FROM rulings WHERE key BETWEEN ? AND ?", *self._range):
            return set()
        rows = self._file.among("SELECT ended FROM rulings WHERE recorded_to IS NULL AND by_fact IN (%s)", list(facts))
        ended = self._versions({row["ended"] for row in rows})
        return {self._slot(row["subject"], row["relation"], row["object"]) for row in ended}

    @property
    def _range(self) -> tuple[int, int]:
        return self._writing.reading.low, self._writing.reading.high

    def _rulings(self, facts: Sequence[int]) -> list[Ruling]:
        """Rulings on these facts that are in force: their other fact is still supported."""
        if not self._file.one("SELECT 1 FROM rulings WHERE key BETWEEN ? AND ?", *self._range):
            return []
        rows = self._file.among(
            "SELECT ended, by_fact, at FROM rulings WHERE recorded_to IS NULL AND ended IN (%s) AND EXISTS "
            "(SELECT 1 FROM support WHERE fact = by_fact AND recorded_to IS NULL)",
            facts,
        )
        return [Ruling(*tuple(row)) for row in rows]

    def _write(self, before: Mapping[int, Row], beliefs: Sequence[Belief]) -> Settled:
        unchanged = {
            belief.stated.fact
            for belief in beliefs
            if belief.stated.fact in before and _values(belief) == _held(before[belief.stated.fact])
        }
        closed = [row for fact, row in before.items() if fact not in unchanged]
        opened = [belief for belief in beliefs if belief.stated.fact not in unchanged]
        self._writing.close("fact_versions", [row["key"] for row in closed])
        keys = self._writing.keys(len(opened))
        recorded = self._writing.recorded
        self._file.many(_INSERT, ((key, *_values(each), recorded) for key, each in zip(keys, opened, strict=True)))
        return Settled(closed, opened)


_COLUMNS = (
    "fact", "subject", "relation", "object", "valid_from", "valid_to", "confidence", "same_as", "ended_by",
)  # fmt: skip


def _values(belief: Belief) -> tuple[object, ...]:
    """What a version holds, in the order of `_COLUMNS`."""
    stated = belief.stated
    ends = stated.fact, stated.subject, stated.relation, stated.object
    return (*ends, belief.start, belief.end, belief.confidence, belief.same_as, belief.ended_by)


def _held(row: Row) -> tuple[object, ...]:
    return tuple(row[column] for column in _COLUMNS)


def _stated(row: Row) -> Stated:
    return Stated(
        row["fact"],
        row["subject"],
        row["relation"],
        row["object"],
        row["stated_from"],
        row["stated_to"],
        row["supported"],
    )
