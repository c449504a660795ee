"""Finding by words: BM25 over the rarest terms, reckoned from the rows of one group alone.

FTS5's own `bm25()` counts over the whole table, so what other groups write would change the order of what is found
here, and cost time here. FTS5 therefore only tells which rows of the group have a term, and how long they are; the
scores are made of that. A term counts once in a row, however often it stands there.

The terms are taken from the rarest on, as long as they have together no more than `POSTINGS` rows: what a common word
adds to a BM25 score is little.
"""

from __future__ import annotations

import functools
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from ..file import Reading

Table = Literal["episode_words", "fact_words", "entity_words"]

POSTINGS = 4_000
"""Of a single term that more rows have, the newest are looked at."""

MOST_TERMS = 64
"""A longer question is read up to here."""

_K1, _B = 1.2, 0.75
"""BM25's usual values, those of FTS5: how soon more of a term adds nothing, and how much a row's length counts."""

_LEAST = 1e-6
"""What a term counts that most rows have, as in FTS5."""

Ranked = list[tuple[int, float]]
"""Keys with scores, best first."""


def by_words(reading: Reading, table: Table, terms: Sequence[str]) -> Ranked:
    """The rows of a full-text table that have one of the rarest terms, by BM25; `terms` are those of `Words`."""
    distinct = list(dict.fromkeys(terms))[:MOST_TERMS]
    rows = [_rows(reading, table, term) for term in _rarest(reading, table, distinct)]
    lengths = {row: length for each in rows for row, length in each.items()}
    if not lengths:
        return []
    mean = sum(lengths.values()) / len(lengths)
    weights: defaultdict[int, float] = defaultdict(float)
    of_all = max(_keys(reading), len(lengths))
    for having in rows:
        rarity = max(math.log((of_all - len(having) + 0.5) / (len(having) + 0.5)), _LEAST)
        for row in having:
            weights[row] += rarity
    scores = {
        row: weight * (_K1 + 1) / (1 + _K1 * (1 - _B + _B * lengths[row] / mean)) for row, weight in weights.items()
    }
    return sorted(scores.items(), key=lambda each: (-each[1], each[0]))


def with_all_words(reading: Reading, table: Table, terms: Sequence[str], depth: int) -> list[int]:
    """Up to `depth` rows that have all of the terms, the newest first; of no terms and of very many none."""
    if not 0 < len(terms) <= MOST_TERMS:
        return []
    sql = f"SELECT rowid FROM {table} WHERE {table} MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid DESC LIMIT ?"
    rows = reading.file.all(sql, " AND ".join(map(_quoted, terms)), reading.low, reading.high, depth)
    return [row["rowid"] for row in rows]


def _rarest(reading: Reading, table: Table, terms: Sequence[str]) -> list[str]:
    """The rarest terms that have together at most `POSTINGS` rows, and at least one; none that no row has."""
    if _keys(reading) <= POSTINGS:  # so there are no more rows
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


def _keys(reading: Reading) -> int:
    """How many keys the group has given out: a count of its rows that costs nothing, and is never too small."""
    row = reading.file.one("SELECT next FROM groups WHERE key = ?", reading.group)
    return row["next"] - reading.low if row else 0


def _rows(reading: Reading, table: Table, term: str) -> dict[int, int]:
    """The newest rows of the group that have a term, each with the number of its terms.

    They come as one row of text: between two rows Python lets the other threads have their turn, and readers at once
    would do little else.
    """
    sql = f"""SELECT group_concat(key) AS keys, group_concat(hex(sz)) AS sizes FROM (
        SELECT w.rowid AS key, d.sz FROM {table} AS w CROSS JOIN {table}_docsize AS d ON d.id = w.rowid
        WHERE {table} MATCH ? AND w.rowid BETWEEN ? AND ? ORDER BY w.rowid DESC LIMIT ?)"""
    found = reading.file.one(sql, _quoted(term), reading.low, reading.high, POSTINGS)
    if found is None or found["keys"] is None:
        return {}
    return dict(zip(map(int, found["keys"].split(",")), map(_number, found["sizes"].split(",")), strict=True))


@functools.lru_cache(1024)
def _number(size: str) -> int:
    """A length as FTS5 keeps it for a table of one column: a big-endian number of 7-bit digits, here in hexadecimal."""
    return functools.reduce(lambda length, digit: length << 7 | digit & 0x7F, bytes.fromhex(size), 0)


def _quoted(term: str) -> str:
    return '"' + term.replace('"', '""') + '"'
