"""Looking in every way at once: each kind by words and by meaning, and the facts around the entities that are named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import copy_context

import numpy as np
from numpy.typing import NDArray

from ..file import Reading
from ..parts import Parts
from .asked import Asked
from .fitting import fitting
from .hits import Kind
from .meaning import Vectors
from .neighbourhood import named
from .pool import Pool, Ranking
from .standing import AMONG, as_list
from .wanted import Ids, Wanted
from .words import Ranked, Table, by_words

DEPTH = 100
"""How many candidates each way of looking gives."""

_TABLES: dict[Kind, Table] = {"episode": "episode_words", "fact": "fact_words", "entity": "entity_words"}

_SPARE = 4
"""How many times deeper than that a way looks at first: some of what it finds is not what is asked for."""


def gather(reading: Reading, parts: Parts, vectors: Vectors, asked: Asked) -> Pool:
    """Look for what is asked for; while one thread makes the question's vector, this one looks for its words."""
    near = parts.beside.submit(copy_context().run, _cosines, parts, vectors, asked.query)
    gathering = _Gathering(reading, asked, vectors)
    by_words = gathering.by_words(parts.words.terms(asked.query))
    vector, cosines = near.result()
    rankings = [ranking for ranking in gathering.rankings(by_words, cosines) if ranking.items]
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


def _cosines(parts: Parts, vectors: Vectors, query: str) -> tuple[NDArray[np.float32] | None, NDArray[np.float32]]:
    """The vector of a question, and its cosine with each of `vectors`; of no vectors neither."""
    if not len(vectors.keys):
        return None, np.zeros(0, np.float32)
    vector = parts.embedder.query(query)
    return vector, vectors.cosines(vector)


class _Gathering:
    """The ways of looking, for one search."""

    def __init__(self, reading: Reading, asked: Asked, vectors: Vectors) -> None:
        self._reading = reading
        self._asked = asked
        self._vectors = vectors
        self._depth = max(DEPTH, asked.k)
        self._first = self._depth * _SPARE
        self._wanted = Wanted(reading, asked)
        self.named = named(reading, asked.query, asked.standing.known)

    def by_words(self, terms: Sequence[str]) -> dict[Kind, Ranking]:
        """What each kind that is asked for has of the words."""
        kinds = [kind for kind in _TABLES if kind in self._asked.kinds]
        return {kind: Ranking("words", kind, self._by_words(kind, terms)) for kind in kinds}

    def rankings(self, by_words: Mapping[Kind, Ranking], cosines: NDArray[np.float32]) -> Iterator[Ranking]:
        """What each way finds."""
        for kind, ranking in by_words.items():
            yield ranking
            if len(cosines):
                yield Ranking("meaning", kind, self._by_meaning(kind, cosines))
        if "fact" in self._asked.kinds and self.named:
            yield Ranking(f"near {', '.join(self.named.values())}", "fact", self._near(cosines))

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

    def _by_words(self, kind: Kind, terms: Sequence[str]) -> Ranked:
        ranked = by_words(self._reading, _TABLES[kind], terms)
        first, rest = ranked[: self._first], ranked[self._first :]
        return self._wanted_of(kind, first, lambda every: [each for each in rest if each[0] in every])

    def _by_meaning(self, kind: Kind, cosines: NDArray[np.float32]) -> Ranked:
        first = self._vectors.best(cosines, kind, self._first)
        return self._wanted_of(kind, first, lambda every: self._vectors.best_of(cosines, every, self._first))

    def _wanted_of(self, kind: Kind, first: Ranked, rest: Callable[[Ids], Ranked]) -> Ranked:
        """The best that are asked for, each once.

        Args:
            kind: of what is ranked.
            first: the best of all.
            rest: gives the best of those that are asked for; needed where `first` does not hold enough.
        """
        found: dict[int, float] = {}
        for part in (first[: self._depth], first[self._depth :]):  # mostly the first part is enough
            if part and len(found) < self._depth:
                self._add(found, part, self._wanted.among(kind, [key for key, _ in part]))
        if len(found) < self._depth and len(first) == self._first:
            every = {key: of for key, of in self._wanted.every(kind).items() if of not in found}
            self._add(found, rest(every), every)
        return list(found.items())[: self._depth]

    @staticmethod
    def _add(found: dict[int, float], ranked: Ranked, ids: Ids) -> None:
        for key, score in ranked:
            if key in ids:
                found.setdefault(ids[key], score)

    def _near(self, cosines: NDArray[np.float32]) -> Ranked:
        """Facts around the entities that are named, the nearest in meaning first."""
        facts = np.array(self._wanted.around(self.named), np.int64)
        places = np.searchsorted(self._vectors.keys, facts)
        own = np.zeros(len(facts), np.float32)
        if len(cosines):
            places = np.minimum(places, len(cosines) - 1)
            own = np.where(self._vectors.keys[places] == facts, cosines[places], own)
        order = np.argsort(-own, kind="stable")[: self._depth]
        return list(zip(facts[order].tolist(), own[order].tolist(), strict=True))
