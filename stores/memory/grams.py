"""Names that share trigrams with a new one: the few that are worth comparing letter by letter.

A write compares new names while other writers wait, so the work is bounded, whatever the number of names: only the
rarest trigrams are followed, as many as have together `POSTINGS` names. Where even the rarest has more, pairs of the
rarest ones are followed instead: one slip of the pen spoils three trigrams at most, so that a pair of six is left.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import accumulate, combinations

from .file import Reading

POSTINGS = 4_000
"""How many names a new one is compared with by its trigrams."""

MOST_GRAMS = 64
"""A longer name is looked at up to here."""

_PAIRED = 6


def sharing(reading: Reading, letters: str, most: int) -> list[int]:
    """The aliases that share the most of the rarest trigrams with `letters`, at most so many."""
    grams = dict.fromkeys(letters[at : at + 3] for at in range(len(letters) - 2))
    shared: Counter[int] = Counter()
    left = POSTINGS
    sql = "SELECT rowid FROM name_grams WHERE name_grams MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid DESC LIMIT ?"
    for match in rarest(reading, list(grams)[:MOST_GRAMS]):
        rows = reading.file.all(sql, match, reading.low, reading.high, left)
        shared.update(row["rowid"] for row in rows)
        left -= len(rows)
    return heapq.nsmallest(most, shared, key=lambda alias: (-shared[alias], alias))


def rarest(reading: Reading, grams: Collection[str]) -> list[str]:
    """What to look for, as FTS5 reads it: trigrams that have together at most `POSTINGS` names, or else pairs."""
    count = (
        "SELECT count(*) AS names FROM (SELECT 1 FROM name_grams WHERE name_grams MATCH ? "
        f"AND rowid BETWEEN {reading.low} AND {reading.high} LIMIT {POSTINGS + 1})"
    )
    numbers = [(row["names"], _quoted(gram)) for gram in grams for row in reading.file.all(count, _quoted(gram))]
    found = sorted(each for each in numbers if each[0])
    if not found or found[0][0] <= POSTINGS:
        totals = accumulate(number for number, _ in found)
        return [gram for (_, gram), total in zip(found, totals, strict=True) if total <= POSTINGS]
    return _pairs([gram for _, gram in found[:_PAIRED]])


def _pairs(grams: Sequence[str]) -> list[str]:
    return [" AND ".join(pair) for pair in combinations(grams, 2)] or list(grams)


def _quoted(gram: str) -> str:
    return '"' + gram.replace('"', '""') + '"'
