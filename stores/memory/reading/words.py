"""Finding by words: BM25 of FTS5, over the rarest terms where there are very many hits.

FTS5 scores every row that has one of the terms, so a question with a word that a tenth of a million facts have would
take a tenth of a second. The terms are therefore taken from the rarest on, as long as they have together no more than
`POSTINGS` rows: what a common word adds to a BM25 score is little.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..file import Reading

Table = Literal["episode_words", "fact_words", "entity_words"]

POSTINGS = 4_000
MOST_TERMS = 64
"""A longer question is read up to here."""

Ranked = list[tuple[int, float]]
"""Keys with scores, best first."""


def by_words(reading: Reading, table: Table, terms: Sequence[str], depth: int) -> Ranked:
    """The best `depth` rows of a full-text table by BM25; `terms` are those of `Words`."""
    rarest = _rarest(reading, table, list(dict.fromkeys(terms))[:MOST_TERMS])
    if not rarest:
        return []
    sql = f"SELECT rowid, rank FROM {table} WHERE {table} MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rank LIMIT ?"
    rows = reading.file.all(sql, " OR ".join(map(_quoted, rarest)), reading.low, reading.high, depth)
    return [(row["rowid"], -row["rank"]) for row in rows]


def with_all_words(reading: Reading, table: Table, terms: Sequence[str], depth: int) -> list[int]:
    """Up to `depth` rows that have all of the terms, the newest first; of no terms and of very many none."""
    if not 0 < len(terms) <= MOST_TERMS:
        return []
    sql = f"SELECT rowid FROM {table} WHERE {table} MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid DESC LIMIT ?"
    rows = reading.file.all(sql, " AND ".join(map(_quoted, terms)), reading.low, reading.high, depth)
    return [row["rowid"] for row in rows]


def _rarest(reading: Reading, table: Table, terms: Sequence[str]) -> list[str]:
    """The rarest terms that have together at most `POSTINGS` rows, and at least one; none that no row has."""
    free = reading.file.one("SELECT next FROM groups WHERE key = ?", reading.group)
    if free is None or free["next"] - reading.low <= POSTINGS:  # there are no more keys than that, so no more rows
        return list(terms)
    count = f"""SELECT count(*) AS n FROM (SELECT 1 FROM {table} WHERE {table} MATCH ?
        AND rowid BETWEEN {reading.low} AND {reading.high} LIMIT {POSTINGS})"""
    numbers = [(row["n"], term) for term in terms for row in reading.file.all(count, _quoted(term)) if row["n"]]
    chosen: list[str] = []
    total = 0
    for number, term in sorted(numbers):
        total += number
        if chosen and total > POSTINGS:
            break
        chosen.append(term)
    return chosen


def _quoted(term: str) -> str:
    return '"' + term.replace('"', '""') + '"'
