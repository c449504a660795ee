"""Facts that end others though no rule says so: a judge is asked, and its rulings are kept.

Only facts that share an end with the new one are shown, with their dates: those that began before it, or nobody knows
when, and still held when it began. A fact without a start ends nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from sqlite3 import Row

from .entities import by_name, roots
from .file import Reading, Writing
from .instants import to_micros
from .judging import Judge
from .names import normal
from .records import VERSION, fact_records
from .types import Fact

_ASKED = 12
"""How many facts a judge is shown; those that began last."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A judge's word: fact `ended` (its id) held until the fact at place `by` of those that are being written."""

    ended: int
    by: int


def ask(reading: Reading, facts: Sequence[Fact], judge: Judge, single_valued: Collection[str]) -> list[Ended]:
    """Ask a judge which of the facts that are believed the new ones end."""
    found: list[Ended] = []
    forms = by_name(reading, {normal(name) for fact in facts for name in (fact.subject, fact.object)})
    root = roots(reading, forms.values())
    canonical = {form: root[entity] for form, entity in forms.items()}
    for place, fact in enumerate(facts):
        rows = _concerned(reading, fact, canonical, single_valued)
        if rows:
            others = fact_records(reading, rows, reading.recorded)
            chosen = judge.contradicted(fact, [other.fact for other in others])
            found += [Ended(others[i].id, place) for i in sorted(set(chosen))]
    return found


def _concerned(reading: Reading, fact: Fact, canonical: Mapping[str, int], single_valued: Collection[str]) -> list[Row]:
    ends = {canonical[form] for form in (normal(fact.subject), normal(fact.object)) if form in canonical}
    if fact.valid_from is None or not ends:
        return []
    start = to_micros(fact.valid_from)
    held = (
        f" WHERE v.recorded_to IS NULL AND v.same_as IS NULL AND (v.valid_from IS NULL OR v.valid_from < {start}) "
        f"AND (v.valid_to IS NULL OR v.valid_to > {start}) AND "
    )
    rows = {
        row["fact"]: row
        for end in ("subject", "object")
        for row in reading.file.among(f"{VERSION}{held} v.{end} IN (%s)", sorted(ends))
    }
    subject, target = (canonical.get(normal(name), 0) for name in (fact.subject, fact.object))
    open_to_it = [
        row
        for row in rows.values()
        if not (row["subject"] == subject and row["relation"] == fact.relation)
        or (row["object"] != target and fact.relation not in single_valued)
    ]
    return sorted(open_to_it, key=lambda row: (row["valid_from"] or 0, row["fact"]))[-_ASKED:]


def write_rulings(writing: Writing, ended: Sequence[Ended], facts: Sequence[Fact], keys: Sequence[int]) -> set[int]:
    """Keep rulings on facts whose `keys` are known now; those that they end."""
    pairs: dict[tuple[int, int], int] = {}
    for ruling in ended:
        start = facts[ruling.by].valid_from
        if start is not None and ruling.ended != keys[ruling.by]:
            pairs[ruling.ended, keys[ruling.by]] = to_micros(start)
    sql = "SELECT ended, by_fact FROM rulings WHERE recorded_to IS NULL AND ended IN (%s)"
    kept = {(row["ended"], row["by_fact"]) for row in writing.file.among(sql, [ended for ended, _ in pairs])}
    fresh = {pair: at for pair, at in pairs.items() if pair not in kept}
    writing.file.many(
        "INSERT INTO rulings VALUES (?, ?, ?, ?, 'a judge found that both cannot hold', ?, NULL)",
        (
            (key, *pair, at, writing.recorded)
            for key, (pair, at) in zip(writing.keys(len(fresh)), fresh.items(), strict=True)
        ),
    )
    return {ended for ended, _ in pairs}
