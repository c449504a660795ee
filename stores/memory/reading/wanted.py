"""What a search asks for: which of some keys are that, or all keys that are, where those are few among many."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from ..file import Reading
from ..records import known
from .asked import Asked
from .hits import Kind
from .neighbourhood import canonical, facts_of
from .standing import AMONG, as_list

Ids = Mapping[int, int]
"""Keys, each with the id of what it stands for."""


class Wanted:
    """What one search asks for in a group."""

    def __init__(self, reading: Reading, asked: Asked) -> None:
        """Narrow as `asked` says."""
        self._reading = reading
        self._asked = asked
        self._known = asked.standing.known
        self._between = f"BETWEEN {reading.low} AND {reading.high}"
        self._all: dict[Kind, Ids] = {}

    def among(self, kind: Kind, keys: Sequence[int]) -> Ids:
        """Those of these keys that are asked for."""
        match kind:
            case "episode":
                return self._episodes(f"e.key {AMONG}{self._told_around('e.key')}", as_list(keys), *self._entities)
            case "fact":
                return self._facts(f"v.fact {AMONG}", as_list(keys))
        return self._named(keys)

    def around(self, entities: Iterable[int]) -> list[int]:
        """The facts that have one of these entities as an end and are asked for."""
        found = facts_of(self._reading, entities, self._asked.standing)
        if not self._asked.types:
            return list(found)
        return [fact for fact, ends in found.items() if not self._typed.isdisjoint(ends)]

    def every(self, kind: Kind) -> Ids:
        """All that is asked for of a kind, looked for once: by what narrows it, else in one pass over the group."""
        if kind not in self._all:
            look = {"episode": self._every_episode, "fact": self._every_fact, "entity": self._every_entity}[kind]
            self._all[kind] = look()
        return self._all[kind]

    def _episodes(self, which: str, *values: str) -> Ids:
        sql = f"SELECT e.key FROM episodes AS e WHERE {which} AND {known(self._known, 'e.')}"
        return {row["key"]: row["key"] for row in self._reading.file.all(sql, *values)}

    @property
    def _entities(self) -> list[str]:
        """The values of `_told_around`."""
        entities = self._asked.standing.entities
        return [] if entities is None else [as_list(sorted(entities))] * 2

    def _told_around(self, episode: str) -> str:
        """That facts around the entities rest on an episode."""
        if self._asked.standing.entities is None:
            return ""
        return f""" AND EXISTS (SELECT 1 FROM support AS s JOIN fact_versions AS v ON v.fact = s.fact
            WHERE s.episode = {episode} AND {self._resting} AND (v.subject {AMONG} OR v.object {AMONG}))"""

    @property
    def _resting(self) -> str:
        return f"{known(self._known, 's.')} AND {known(self._known, 'v.')}"

    def _every_episode(self) -> Ids:
        if self._asked.standing.entities is None:
            return self._episodes(f"e.key {self._between}")
        told = f"""SELECT s.episode FROM fact_versions AS v JOIN support AS s ON s.fact = v.fact
            WHERE (v.subject {AMONG} OR v.object {AMONG}) AND {self._resting}"""
        return self._episodes(f"e.key IN ({told})", *self._entities)

    def _every_fact(self) -> Ids:
        if not self._asked.types:
            # Where ends or relations narrow it, the plus keeps SQLite from reading all keys of the group instead.
            is_narrowed = self._asked.standing.entities is not None or self._asked.standing.relations
            return self._facts(f"{'+' if is_narrowed else ''}v.key {self._between}")
        typed = as_list(sorted(self._typed))
        return self._facts(f"+v.key {self._between} AND (v.subject {AMONG} OR v.object {AMONG})", typed, typed)

    def _facts(self, which: str, *values: str) -> Ids:
        condition, more = self._asked.standing.condition
        sql = f"""SELECT v.fact, coalesce(v.same_as, v.fact) AS chief, v.subject, v.object FROM fact_versions AS v
            WHERE {which} AND {condition}"""
        rows = self._reading.file.all(sql, *values, *more)
        if self._asked.types:
            rows = [row for row in rows if row["subject"] in self._typed or row["object"] in self._typed]
        return {row["fact"]: row["chief"] for row in rows}

    def _named(self, keys: Sequence[int]) -> Ids:
        """Of aliases, which words find, and of entities, which meaning finds, those that they are taken for."""
        sql = f"SELECT key, entity FROM aliases WHERE key {AMONG} AND recorded_from <= {self._known}"
        entities = {key: key for key in keys}
        entities |= {row["key"]: row["entity"] for row in self._reading.file.all(sql, as_list(keys))}
        roots = canonical(self._reading, set(entities.values()), self._known)
        believed = self._believed({*entities.values(), *roots.values()})
        wanted = believed if self._narrowed is None else believed & self._narrowed
        return {key: roots[own] for key, own in entities.items() if own in believed and roots.get(own) in wanted}

    def _every_entity(self) -> Ids:
        believed = f"SELECT entity FROM entity_versions AS e WHERE e.key {self._between} AND {known(self._known, 'e.')}"
        wanted = self._narrowed
        if wanted is None:
            wanted = {row["entity"] for row in self._reading.file.all(believed)}
        taken = f"""WITH RECURSIVE taken(entity) AS (SELECT value FROM json_each(?)
            UNION SELECT m.entity FROM taken AS t JOIN merges AS m ON m.into_entity = t.entity
            WHERE {known(self._known, "m.")})
            SELECT t.entity, a.key FROM taken AS t CROSS JOIN aliases AS a ON a.entity = t.entity"""
        rows = self._reading.file.all(taken, as_list(wanted))
        return self._named([key for row in rows for key in (row["entity"], row["key"])])

    @cached_property
    def _narrowed(self) -> set[int] | None:
        """The entities to which types or an entity narrow the search; None: neither is given."""
        around = self._around if self._asked.standing.entities is not None else None
        if not self._asked.types:
            return around
        return self._typed if around is None else self._typed & around

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
        own = f"FROM entity_versions AS e WHERE e.key {self._between}"
        kinds = [row["types"] for row in self._reading.file.all(f"SELECT DISTINCT types {own}")]
        wanted = [labels for labels in kinds if not self._asked.types.isdisjoint(json.loads(labels))]
        if not wanted:
            return set()
        sql = f"SELECT entity {own} AND {known(self._known, 'e.')} AND types {AMONG}"
        return {row["entity"] for row in self._reading.file.all(sql, json.dumps(wanted))}
