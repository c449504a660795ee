"""The candidates of one search: what each way of looking found, for a recipe to put in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..dates import TimeExpression
from ..file import Reading
from ..records import known
from .found import records_of
from .hits import Item, Kind, text_of
from .meaning import Vectors
from .standing import AMONG, Standing, as_list


@dataclass(frozen=True, slots=True)
class Ranking:
    """What one way of looking found.

    Attributes:
        way: what it looks at, in a word: `words`, `meaning`, `near Ann`.
        kind: of what it ranks.
        items: ids with the scores of that way, best first.
    """

    way: str
    kind: Kind
    items: Sequence[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Pool:
    """What a recipe has at hand.

    Attributes:
        query: the question.
        vector: of the question, shape (dimension,); None: nothing was looked for by meaning.
        rankings: what each way of looking found.
        reading: the group as it is read.
        standing: which facts are asked for.
        vectors: those of the group.
        named: the entities that the question names, with the words that do.
        time: the one in the question that is used.
        besides: what a recipe made of the rankings for itself, so that the hits can tell it.
    """

    query: str
    vector: NDArray[np.float32] | None
    rankings: tuple[Ranking, ...]
    reading: Reading
    standing: Standing
    vectors: Vectors
    named: Mapping[int, str]
    time: TimeExpression | None
    besides: list[Ranking] = field(default_factory=list)

    def texts(self, items: Collection[Item]) -> dict[Item, str]:
        """What each item says."""
        records = records_of(self.reading, items, self.standing.known)
        return {item: text_of(records[item]) for item in items if item in records}

    def ends(self, items: Collection[Item]) -> dict[Item, set[int]]:
        """The entities that each item is about: a fact's ends, those of the facts that rest on an episode."""
        of_facts = f"SELECT fact AS id, subject, object FROM fact_versions AS v WHERE v.fact {AMONG}"
        of_episodes = f"""SELECT s.episode AS id, subject, object FROM support AS s JOIN fact_versions AS v USING (fact)
            WHERE s.episode {AMONG} AND {known(self.standing.known, "s.")}"""
        ends: defaultdict[Item, set[int]] = defaultdict(set)
        for kind, sql in (("fact", of_facts), ("episode", of_episodes)):
            keys = as_list(item.id for item in items if item.kind == kind)
            for row in self.reading.file.all(f"{sql} AND {known(self.standing.known, 'v.')}", keys):
                ends[Item(kind, row["id"])] |= {row["subject"], row["object"]}  # type: ignore[arg-type]  # one of two
        for item in items:
            if item.kind == "entity":
                ends[item] = {item.id}
        return ends
