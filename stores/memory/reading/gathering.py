"""Looking in every way at once: each kind by words and by meaning, and the facts around the entities that are named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field

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

_MORE = 1.2
"""How many more of these are looked at than should do, where as many are asked for as of those looked at before."""


def gather(reading: Reading, parts: Parts, vectors: Vectors, asked: Asked) -> Pool:
    """Look for what is asked for; while one thread finds what is near in meaning, this one looks for the words."""
    finding = parts.beside.submit(copy_context().run, _near, parts, vectors, asked)
    gathering = _Gathering(reading, asked, vectors)
    by_words = gathering.by_words(parts.words.terms(asked.query))
    near = finding.result()
    rankings = [ranking for ranking in gathering.rankings(by_words, near) if ranking.items]
    return Pool(
        asked.query,
        near.vector,
        (*rankings, *gathering.fitting(rankings)),
        reading,
        asked.standing,
        vectors,
        gathering.named,
        asked.time.used,
    )


@dataclass(frozen=True, slots=True)
class _Near:
    """What is near a question in meaning.

    Attributes:
        vector: the question's; None where there are no others.
        cosines: its cosine with each of the vectors.
        best: the nearest of each kind that is asked for.
    """

    vector: NDArray[np.float32] | None = None
    cosines: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    best: Mapping[Kind, Ranked] = field(default_factory=dict)


def _near(parts: Parts, vectors: Vectors, asked: Asked) -> _Near:
    if not len(vectors.keys):
        return _Near()
    vector = parts.embedder.query(asked.query)
    cosines = vectors.cosines(vector)
    return _Near(vector, cosines, {kind: vectors.best(cosines, kind, _first(asked)) for kind in asked.kinds})


def _depth(asked: Asked) -> int:
    return max(DEPTH, asked.k)


def _first(asked: Asked) -> int:
    return _depth(asked) * _SPARE


class _Gathering:
    """The ways of looking, for one search."""

    def __init__(self, reading: Reading, asked: Asked, vectors: Vectors) -> None:
        self._reading = reading
        self._asked = asked
        self._vectors = vectors
        self._depth = _depth(asked)
        self._first = _first(asked)
        self._wanted = Wanted(reading, asked)
        self.named = named(reading, asked.query, asked.standing.known)

    def by_words(self, terms: Sequence[str]) -> dict[Kind, Ranking]:
        """What each kind that is asked for has of the words."""
        kinds = [kind for kind in _TABLES if kind in self._asked.kinds]
        return {kind: Ranking("words", kind, self._by_words(kind, terms)) for kind in kinds}

    def rankings(self, by_words: Mapping[Kind, Ranking], near: _Near) -> Iterator[Ranking]:
        """What each way finds."""
        for kind, ranking in by_words.items():
            yield ranking
            if kind in near.best:
                yield Ranking("meaning", kind, self._by_meaning(kind, near))
        if "fact" in self._asked.kinds and self.named:
            yield Ranking(f"near {', '.join(self.named.values())}", "fact", self._around(near.cosines))

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

    def _by_meaning(self, kind: Kind, near: _Near) -> Ranked:
        return self._wanted_of(
            kind, near.best[kind], lambda every: self._vectors.best_of(near.cosines, every, self._first)
        )

    def _wanted_of(self, kind: Kind, first: Ranked, rest: Callable[[Ids], Ranked]) -> Ranked:
        """The best that are asked for, each once.

        Args:
            kind: of what is ranked.
            first: the best of all.
            rest: gives the best of those that are asked for; needed where `first` does not hold enough.
        """
        found: dict[int, float] = {}
        looked, more = 0, self._depth
        while looked < len(first) and len(found) < self._depth:
            part = first[looked : looked + more]
            self._add(found, part, self._wanted.among(kind, [key for key, _ in part]))
            looked += len(part)
            more = 1 + int(_MORE * (self._depth - len(found)) * looked / max(1, len(found)))
        if len(found) < self._depth and len(first) == self._first:
            every = {key: of for key, of in self._wanted.every(kind).items() if of not in found}
            self._add(found, rest(every), every)
        return list(found.items())[: self._depth]

    @staticmethod
    def _add(found: dict[int, float], ranked: Ranked, ids: Ids) -> None:
        for key, score in ranked:
            if key in ids:
                found.setdefault(ids[key], score)

    def _around(self, cosines: NDArray[np.float32]) -> Ranked:
        """Facts around the entities that are named, the nearest in meaning first."""
        facts = np.array(self._wanted.around(self.named), np.int64)
        places = np.searchsorted(self._vectors.keys, facts)
        own = np.zeros(len(facts), np.float32)
        if len(cosines):
            places = np.minimum(places, len(cosines) - 1)
            own = np.where(self._vectors.keys[places] == facts, cosines[places], own)
        order = np.argsort(-own, kind="stable")[: self._depth]
        return list(zip(facts[order].tolist(), own[order].tolist(), strict=True))
