"""Looking in every way at once: each kind by words and by meaning, and the facts around the entities that are named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..file import Reading
from ..parts import Parts
from ..records import known
from .asked import Asked
from .fitting import fitting
from .hits import Kind
from .meaning import Vectors
from .neighbourhood import canonical, facts_of, named
from .pool import Pool, Ranking
from .standing import AMONG, as_list
from .words import Ranked, Table, by_words

DEPTH = 100
"""How many candidates each way of looking gives."""

_SPARE = 4
"""How many times deeper than that a way looks at first: some of what it finds is not what is asked for."""

Keep = Callable[[Sequence[int]], Mapping[int, int]]
"""Which keys are what is asked for, and the ids of what they stand for."""


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
        self._known = asked.standing.known
        self.named = named(reading, asked.query, asked.standing.known)

    def rankings(self) -> Iterator[Ranking]:
        """What each way finds."""
        ways: dict[Kind, tuple[Table, Keep]] = {
            "episode": ("episode_words", self._episodes),
            "fact": ("fact_words", self._facts),
            "entity": ("entity_words", self._entities),
        }
        for kind, (table, keep) in ways.items():
            if kind in self._asked.kinds:
                yield Ranking("words", kind, self._deepened(self._by_words(table), keep))
                if len(self._cosines):
                    yield Ranking("meaning", kind, self._deepened(self._by_meaning(kind), keep))
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

    def _by_words(self, table: Table) -> Callable[[int | None], Ranked]:
        return lambda depth: by_words(self._reading, table, self._terms, depth)

    def _by_meaning(self, kind: Kind) -> Callable[[int | None], Ranked]:
        return lambda depth: self._vectors.best(self._cosines, kind, depth)

    def _deepened(self, rank: Callable[[int | None], Ranked], keep: Keep) -> Ranked:
        """The best that are to be kept, each once; of all there are, where the best of all do not give enough."""
        found: dict[int, float] = {}
        for depth in (self._depth * _SPARE, None):
            ranked = rank(depth)
            kept = self._standing_facts if depth is None and keep == self._facts else keep([key for key, _ in ranked])
            for key, score in ranked:
                if key in kept:
                    found.setdefault(kept[key], score)
            if len(found) >= self._depth or (depth is not None and len(ranked) < depth):
                break
        return list(found.items())[: self._depth]

    def _near(self) -> Ranked:
        """Facts around the entities that are named, the nearest in meaning first."""
        facts = list(self._facts(list(facts_of(self._reading, self.named, self._asked.standing))))
        places = np.searchsorted(self._vectors.keys, facts)
        cosines = [
            float(self._cosines[at]) if at < len(self._cosines) and self._vectors.keys[at] == fact else 0.0
            for fact, at in zip(facts, places, strict=True)
        ]
        order = sorted(zip(facts, cosines, strict=True), key=lambda each: -each[1])
        return order[: self._depth]

    def _episodes(self, keys: Sequence[int]) -> Mapping[int, int]:
        standing = self._asked.standing
        sql = f"SELECT key FROM episodes AS e WHERE key {AMONG} AND {known(self._known, 'e.')}"
        values = [as_list(keys)]
        if standing.entities is not None:
            sql += f""" AND EXISTS (SELECT 1 FROM support AS s JOIN fact_versions AS v ON v.fact = s.fact
                WHERE s.episode = e.key AND {known(self._known, "s.")} AND {known(self._known, "v.")}
                AND (v.subject {AMONG} OR v.object {AMONG}))"""
            values += [as_list(sorted(standing.entities))] * 2
        return {row["key"]: row["key"] for row in self._reading.file.all(sql, *values)}

    def _facts(self, keys: Sequence[int]) -> Mapping[int, int]:
        return self._chiefs(f"v.fact {AMONG}", as_list(keys))

    @cached_property
    def _standing_facts(self) -> Mapping[int, int]:
        """All facts that are asked for: found by their ends where these are named, else in one pass over the group."""
        by_ends = self._asked.standing.entities is not None
        return self._chiefs(f"{'+' if by_ends else ''}v.key BETWEEN {self._reading.low} AND {self._reading.high}")

    def _chiefs(self, which: str, *values: str) -> Mapping[int, int]:
        condition, more = self._asked.standing.condition
        sql = f"""SELECT v.fact, coalesce(v.same_as, v.fact) AS chief, v.subject, v.object FROM fact_versions AS v
            WHERE {which} AND {condition}"""
        rows = self._reading.file.all(sql, *values, *more)
        if self._asked.types:
            rows = [row for row in rows if row["subject"] in self._typed or row["object"] in self._typed]
        return {row["fact"]: row["chief"] for row in rows}

    def _entities(self, keys: Sequence[int]) -> Mapping[int, int]:
        """Of aliases, which words find, and of entities, which meaning finds, those that they are taken for."""
        sql = f"SELECT key, entity FROM aliases WHERE key {AMONG} AND recorded_from <= {self._known}"
        entities = {row["key"]: row["entity"] for row in self._reading.file.all(sql, as_list(keys))}
        entities |= {key: key for key in keys if key not in entities}
        narrowed = self._narrowed
        if narrowed is not None:
            merged = self._merged
            entities = {key: each for key, each in entities.items() if each in narrowed or each in merged}
        roots = canonical(self._reading, set(entities.values()), self._known)
        wanted = self._believed(roots.values())
        if narrowed is not None:
            wanted &= narrowed
        return {key: roots[entity] for key, entity in entities.items() if roots.get(entity) in wanted}

    @cached_property
    def _narrowed(self) -> set[int] | None:
        """The entities to which types or an entity narrow the search; None: neither is given."""
        around = self._around if self._asked.standing.entities is not None else None
        if not self._asked.types:
            return around
        return self._typed if around is None else self._typed & around

    @cached_property
    def _merged(self) -> set[int]:
        """The entities that were ever taken for others."""
        sql = "SELECT entity FROM merges WHERE key BETWEEN ? AND ?"
        return {row["entity"] for row in self._reading.file.all(sql, self._reading.low, self._reading.high)}

    def _believed(self, entities: Iterable[int]) -> set[int]:
        sql = f"SELECT entity FROM entity_versions AS e WHERE entity {AMONG} AND {known(self._known, 'e.')}"
        return {row["entity"] for row in self._reading.file.all(sql, as_list(set(entities)))}

    @cached_property
    def _around(self) -> set[int]:
        """The ends of the facts around the entities that are asked for."""
        facts = facts_of(self._reading, self._asked.standing.entities or (), self._asked.standing)
        return {end for ends in facts.values() for end in ends}

    @cached_property
    def _typed(self) -> set[int]:
        """The entities that have one of the types that are asked for; a group has few sets of types."""
        own = f"FROM entity_versions AS e WHERE e.key BETWEEN {self._reading.low} AND {self._reading.high}"
        kinds = [row["types"] for row in self._reading.file.all(f"SELECT DISTINCT types {own}")]
        wanted = [labels for labels in kinds if not self._asked.types.isdisjoint(json.loads(labels))]
        sql = f"SELECT entity {own} AND {known(self._known, 'e.')} AND types {AMONG}"
        return {row["entity"] for row in self._reading.file.all(sql, json.dumps(wanted))}
