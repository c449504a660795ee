"""What was believed in the past, had some facts never been stated: for an erasure, which leaves no trace of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from sqlite3 import Row

from .beliefs import Ruling, Stated, settle
from .file import Writing
from .records import known

_Slot = tuple[int, str, int]


def rewrite_past(writing: Writing, single_valued: Collection[str], without: Iterable[int]) -> None:
    """Give past versions of facts the intervals that they would have begun with `without` some facts.

    A version keeps its record interval: what else would have changed within it is not told.
    """
    erased = set(without)
    versions = writing.file.among("SELECT * FROM fact_versions WHERE fact IN (%s)", sorted(erased))
    for slot in {_slot(row, single_valued) for row in versions}:
        past = [row for row in _past(writing, slot) if row["fact"] not in erased]
        moments: dict[int, set[int]] = defaultdict(set)
        for row in past:
            if any(_overlap(row, other) for other in versions):
                moments[row["recorded_from"]].add(row["fact"])
        for at, facts in moments.items():
            _rewrite(writing, [row for row in past if _holds(row, at)], at, facts, is_single=not slot[2])


def _slot(row: Row, single_valued: Collection[str]) -> _Slot:
    return row["subject"], row["relation"], 0 if row["relation"] in single_valued else row["object"]


def _past(writing: Writing, slot: _Slot) -> list[Row]:
    """All that was ever believed in a slot, with what was stated."""
    subject, relation, target = slot
    return writing.file.all(
        "SELECT v.*, f.valid_from AS stated_from, f.valid_to AS stated_to FROM fact_versions AS v "
        "JOIN facts AS f ON f.key = v.fact WHERE v.subject = ? AND v.relation = ? AND ? IN (0, v.object)",
        subject,
        relation,
        target,
    )


def _overlap(row: Row, other: Row) -> bool:
    """Whether two versions were believed together at some time."""
    return (row["recorded_to"] is None or other["recorded_from"] < row["recorded_to"]) and (
        other["recorded_to"] is None or row["recorded_from"] < other["recorded_to"]
    )


def _holds(row: Row, at: int) -> bool:
    return bool(row["recorded_from"] <= at and (row["recorded_to"] is None or at < row["recorded_to"]))


def _rewrite(writing: Writing, rows: Iterable[Row], at: int, facts: Collection[int], *, is_single: bool) -> None:
    """Settle what was stated in a slot at a record time, and write it to the versions that began then."""
    held = {row["fact"]: row for row in rows}
    surest = f"SELECT fact, max(confidence) AS surest FROM support WHERE fact IN (%s) AND {known(at)} GROUP BY fact"
    confidence = {row["fact"]: row["surest"] for row in writing.file.among(surest, list(held))}
    stated = [
        Stated(
            fact,
            row["subject"],
            row["relation"],
            row["object"],
            row["stated_from"],
            row["stated_to"],
            confidence.get(fact, row["confidence"]),
        )
        for fact, row in held.items()
    ]
    ruled = f"SELECT ended, by_fact, at FROM rulings WHERE ended IN (%s) AND {known(at)}"
    rulings = [Ruling(*tuple(row)) for row in writing.file.among(ruled, list(held))]
    writing.file.many(
        "UPDATE fact_versions SET valid_from = ?, valid_to = ?, confidence = ?, same_as = ?, ended_by = ? "
        "WHERE key = ?",
        (
            (each.start, each.end, each.confidence, each.same_as, each.ended_by, held[each.stated.fact]["key"])
            for each in settle(stated, single_valued=is_single, rulings=rulings)
            if each.stated.fact in facts
        ),
    )
