"""Facts as they were stated, and what they rest on, in the database."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from .beliefs import Stated
from .entities import roots
from .file import Writing
from .instants import optional_micros
from .types import Fact
from .words import Words

_COLUMNS = "key, subject, relation, object, statement, valid_from, valid_to, digest"


@dataclass(frozen=True, slots=True)
class Written:
    """What `StatementWriter.write` did.

    Attributes:
        facts: the fact of each that was given, in their order.
        new: keys of those that were never stated so before.
        support: each fact to the key of what it rests on by this.
        stated: those that nothing supported until now.
        repeated: keys of the others.
    """

    facts: tuple[int, ...]
    new: frozenset[int]
    support: Mapping[int, int]
    stated: tuple[Stated, ...]
    repeated: frozenset[int]


class StatementWriter:
    """Writes statements within one write."""

    def __init__(self, writing: Writing, words: Words) -> None:
        """Write to the group of `writing`; `words` makes the terms by which they are found."""
        self._writing = writing
        self._file = writing.file
        self._words = words

    def write(self, facts: Sequence[Fact], entities: Mapping[str, int], episode: int | None) -> Written:
        """Write `facts` between `entities` (by name as given), which rest on `episode`, or on the caller's word."""
        rows = [_row(fact, entities[fact.subject], entities[fact.object]) for fact in facts]
        confidence: dict[bytes, float] = {}
        for fact, row in zip(facts, rows, strict=True):
            confidence[row[-1]] = max(fact.confidence, confidence.get(row[-1], 0))
        distinct = {row[-1]: row for row in rows}
        keys = self._stored(distinct)
        fresh = [digest for digest in distinct if digest not in keys]
        keys |= dict(zip(fresh, self._writing.keys(len(fresh)), strict=True))
        self._insert([(keys[digest], *distinct[digest]) for digest in fresh])
        new = frozenset(keys[digest] for digest in fresh)
        support, unsupported = self._support({keys[digest]: confidence[digest] for digest in distinct}, new, episode)
        canonical = roots(self._writing.reading, {end for row in rows for end in (row[0], row[2])})
        stated = [
            Stated(key, canonical[row[0]], row[1], canonical[row[2]], row[4], row[5], confidence[digest])
            for digest, row in distinct.items()
            if (key := keys[digest]) in unsupported
        ]
        repeated = frozenset(keys.values()) - unsupported
        return Written(tuple(keys[row[-1]] for row in rows), new, support, tuple(stated), repeated)

    def _stored(self, digests: Mapping[bytes, tuple[object, ...]]) -> dict[bytes, int]:
        low, high = self._writing.reading.low, self._writing.reading.high
        sql = f"SELECT digest, key FROM facts WHERE key BETWEEN {low} AND {high} AND digest IN (%s)"
        return {row["digest"]: row["key"] for row in self._file.among(sql, list(digests))}

    def _insert(self, rows: Sequence[tuple[int, int, str, int, str, int | None, int | None, bytes]]) -> None:
        self._file.many(f"INSERT INTO facts ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self._file.many(
            "INSERT INTO fact_words (rowid, terms) VALUES (?, ?)",
            ((row[0], self._words.indexed(row[4])) for row in rows),
        )

    def _support(
        self, confidence: Mapping[int, float], new: Collection[int], episode: int | None
    ) -> tuple[dict[int, int], set[int]]:
        """Let facts rest on an episode, once; the key of each one's support, and those that had none before."""
        sql = "SELECT key, fact, episode FROM support WHERE recorded_to IS NULL AND fact IN (%s)"
        rows = self._file.among(sql, [fact for fact in confidence if fact not in new])
        supported = {row["fact"] for row in rows}
        by_this = {row["fact"]: row["key"] for row in rows if row["episode"] == episode}
        fresh = [fact for fact in confidence if fact not in by_this]
        keys = dict(zip(fresh, self._writing.keys(len(fresh)), strict=True))
        self._file.many(
            "INSERT INTO support VALUES (?, ?, ?, ?, ?, NULL)",
            ((key, fact, episode, confidence[fact], self._writing.recorded) for fact, key in keys.items()),
        )
        return by_this | keys, confidence.keys() - supported


def _row(fact: Fact, subject: int, target: int) -> tuple[int, str, int, str, int | None, int | None, bytes]:
    start, end = optional_micros(fact.valid_from), optional_micros(fact.valid_to)
    values = subject, fact.relation, target, fact.statement, start, end
    return *values, hashlib.blake2b(json.dumps(values).encode(), digest_size=12).digest()
