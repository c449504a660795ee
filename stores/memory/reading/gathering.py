"""Looking in every way at once: each kind by words and by meaning, and the facts around the entities that are named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..file import Reading
from ..parts import Parts
from .asked import Asked
from .fitting import fitting
from .hits import Kind
from .meaning import Vectors
from .neighbourhood import facts_of, named
from .pool import Pool, Ranking
from .standing import AMONG, as_list
from .wanted import Ids, Wanted
from .words import Ranked, Table, by_words

DEPTH = 100
"""How many candidates each way of looking gives."""

_SPARE = 4
"""How many times deeper than that a way looks at first: some of what it finds is not what is asked for."""


def gather(reading: Reading, parts: Parts, vectors: Vectors, asked: Asked) -> Pool:
    """Look for what is asked for."""
    vector = parts.embedder.query(asked.query) if len(vectors.keys) else None
    gathering = _Gathering(reading, asked, parts.words.terms(asked.query), vectors, vector)
    rankings = [ranking for ranking in gathering.rankings() if ranking.items]
    return Pool(
        asked.query,
        vector,
        (*rankings, *gathering.fitting(rankings)),
        reading,
        asked.standing,
        vectors,
        gathering.named,
        asked.time.used,
    )


class _Gathering:
    """The ways of looking, for one search."""

    def __init__(
        self,
        reading: Reading,
        asked: Asked,
        terms: Sequence[str],
        vectors: Vectors,
        vector: NDArray[np.float32] | None,
    ) -> None:
        self._reading = reading
        self._asked = asked
        self._terms = terms
        self._vectors = vectors
        self._cosines = np.zeros(0, np.float32) if vector is None else vectors.cosines(vector)
        self._depth = max(DEPTH, asked.k)
        self._first = self._depth * _SPARE
        self._wanted = Wanted(reading, asked)
        self.named = named(reading, asked.query, asked.standing.known)

    def rankings(self) -> Iterator[Ranking]:
        """What each way finds."""
        tables: dict[Kind, Table] = {"episode": "episode_words", "fact": "fact_words", "entity": "entity_words"}
        for kind, table in tables.items():
            if kind in self._asked.kinds:
                yield Ranking("words", kind, self._by_words(kind, table))
                if len(self._cosines):
                    yield Ranking("meaning", kind, self._by_meaning(kind))
        if "fact" in self._asked.kinds and self.named:
            yield Ranking(f"near {', '.join(self.named.values())}", "fact", self._near())

    def fitting(self, rankings: Sequence[Ranking]) -> Iterator[Ranking]:
        """The facts that were found, by how well they fit the time that the question names, if it does."""
        of_facts = [ranking for ranking in rankings if ranking.kind == "fact"]
        if of_facts and (time := self._asked.time.used) is not None and time.interval is not None:
            condition, values = self._asked.standing.condition
            sql = f"SELECT fact, valid_from, valid_to FROM fact_versions AS v WHERE fact {AMONG} AND {condition}"
            keys = as_list({key for ranking in of_facts for key, _ in ranking.items})
            held = {
                row["fact"]: (row["valid_from"], row["valid_to"]) for row in self._reading.file.all(sql, keys, *values)
            }
            yield fitting(of_facts, held, time.interval)

    def _by_words(self, kind: Kind, table: Table) -> Ranked:
        ranked = by_words(self._reading, table, self._terms)
        first, rest = ranked[: self._first], ranked[self._first :]
        return self._wanted_of(kind, first, lambda every: [each for each in rest if each[0] in every])

    def _by_meaning(self, kind: Kind) -> Ranked:
        first = self._vectors.best(self._cosines, kind, self._first)
        return self._wanted_of(kind, first, lambda every: self._vectors.best_of(self._cosines, every, self._first))

    def _wanted_of(self, kind: Kind, first: Ranked, rest: Callable[[Ids], Ranked]) -> Ranked:
        """The best that are asked for, each once.

        Args:
            kind: of what is ranked.
            first: the best of all.
            rest: gives the best of those that are asked for; needed where `first` does not hold enough.
        """
        found: dict[int, float] = {}
        self._add(found, first, self._wanted.among(kind, [key for key, _ in first]))
        if len(found) < self._depth and len(first) == self._first:
            every = {key: of for key, of in self._wanted.every(kind).items() if of not in found}
            self._add(found, rest(every), every)
        return list(found.items())[: self._depth]

    @staticmethod
    def _add(found: dict[int, float], ranked: Ranked, ids: Ids) -> None:
        for key, score in ranked:
            if key in ids:
                found.setdefault(ids[key], score)

    def _near(self) -> Ranked:
        """Facts around the entities that are named, the nearest in meaning first."""
        around = facts_of(self._reading, self.named, self._asked.standing)
        facts = list(self._wanted.among("fact", list(around)))
        places = np.searchsorted(self._vectors.keys, facts)
        cosines = [
            float(self._cosines[at]) if at < len(self._cosines) and self._vectors.keys[at] == fact else 0.0
            for fact, at in zip(facts, places, strict=True)
        ]
        order = sorted(zip(facts, cosines, strict=True), key=lambda each: -each[1])
        return order[: self._depth]
