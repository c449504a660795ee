"""The graph at a point in both times: what held then, as it was believed then."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Row
from typing import TYPE_CHECKING

from ..file import Reading
from ..instants import optional_instant
from ..records import VERSION, entity_records, fact_records, supporting
from ..types import FactRecord
from .neighbourhood import facts_of
from .standing import AMONG, Standing, as_list

if TYPE_CHECKING:
    from networkx import MultiDiGraph


def graph_of(reading: Reading, standing: Standing, around: int | None, hops: int) -> MultiDiGraph:
    """The facts that stand as edges between entities; around an entity, those up to so many facts away."""
    from networkx import MultiDiGraph

    facts = _standing(reading, standing, around, hops)
    episodes = supporting(reading, [each["fact"] for each in facts], standing.known)
    graph = MultiDiGraph()
    ends = {end for each in facts for end in (each["subject"], each["object"])}
    for key, record in entity_records(reading, ends if around is None else ends | {around}, standing.known).items():
        entity = record.entity
        graph.add_node(
            key,
            name=entity.name,
            aliases=entity.aliases,
            types=entity.types,
            attributes=dict(entity.attributes),
            summary=entity.summary,
        )
    for each in facts:
        graph.add_edge(
            each["subject"],
            each["object"],
            key=each["fact"],
            relation=each["relation"],
            statement=each["statement"],
            valid_from=optional_instant(each["valid_from"]),
            valid_to=optional_instant(each["valid_to"]),
            confidence=each["confidence"],
            episodes=tuple(sorted(episodes[each["fact"]])),
        )
    return graph


def standing_facts(reading: Reading, standing: Standing, around: int | None = None, hops: int = 1) -> list[FactRecord]:
    """The facts that stand, those that began first first; around an entity, those up to so many facts away."""
    return fact_records(reading, _standing(reading, standing, around, hops), standing.known)


def _standing(reading: Reading, standing: Standing, around: int | None, hops: int) -> list[Row]:
    """The rows of `standing_facts`."""
    condition, values = standing.condition
    own = f"v.same_as IS NULL AND {condition}"
    if around is None:
        among, first = f"v.key BETWEEN {reading.low} AND {reading.high}", list[str]()
    else:
        among, first = f"v.fact {AMONG}", [as_list(_around(reading, standing, around, hops))]
    rows: Sequence[Row] = reading.file.all(f"{VERSION} WHERE {among} AND {own}", *first, *values)
    return sorted(rows, key=lambda row: (row["valid_from"] is not None, row["valid_from"], row["fact"]))


def _around(reading: Reading, standing: Standing, entity: int, hops: int) -> set[int]:
    """Facts up to so many facts away from an entity."""
    found: set[int] = set()
    seen, edge = {entity}, {entity}
    for _ in range(hops):
        facts = facts_of(reading, edge, standing, most=None)
        found |= facts.keys()
        edge = {end for pair in facts.values() for end in pair} - seen
        if not edge:
            break
        seen |= edge
    return found
