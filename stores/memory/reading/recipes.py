"""Recipes: how what was found is put in order.

Each is a frozen value, so two searches with the same recipe do the same, and one can be named once and used everywhere.
All begin with a fusion of what the ways of looking found: `rrf` by reciprocal ranks alone (`stores.fusion`), and
`conversation`, the default, after what a conversation offers has been brought in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from langchain_core.documents import Document

from ... import diversity, fusion
from .conversation import RANK_CONSTANT, with_surroundings
from .hits import Item, Kind
from .neighbourhood import distances, find_entity
from .pool import Pool, Ranking

Scored = list[tuple[Item, float]]
"""Items with scores, best first."""


def _fused(rankings: Sequence[Ranking], rank_constant: int) -> Scored:
    """All that was found by reciprocal ranks, best first; a kind's ids are fused by themselves, as plain numbers."""
    of_kind: defaultdict[Kind, list[list[int]]] = defaultdict(list)
    for ranking in rankings:
        of_kind[ranking.kind].append([key for key, _ in ranking.items])
    scored = [
        (Item(kind, key), score) for kind, ways in of_kind.items() for key, score in fusion.rrf(ways, k=rank_constant)
    ]
    return sorted(scored, key=lambda each: each[1], reverse=True)


class Recipe(Protocol):
    """Puts candidates in order."""

    def order(self, pool: Pool, k: int) -> Scored:
        """The best `k`, and perhaps more, best first."""


@dataclass(frozen=True, slots=True)
class Rrf:
    """Reciprocal rank fusion: an item's score is the sum of `1 / (rank_constant + rank)` over what found it."""

    rank_constant: int = fusion.K

    def order(self, pool: Pool, k: int) -> Scored:  # noqa: ARG002 - the others come at no cost
        """All, best first."""
        return _fused(pool.rankings, self.rank_constant)


@dataclass(frozen=True, slots=True)
class Conversation:
    """Reciprocal rank fusion that knows what was said before and after, by whom and when (`conversation`)."""

    rank_constant: int = RANK_CONSTANT

    def order(self, pool: Pool, k: int) -> Scored:  # noqa: ARG002 - the others come at no cost
        """All, best first."""
        return _fused(with_surroundings(pool), self.rank_constant)


@dataclass(frozen=True, slots=True)
class Mmr:
    """Maximal marginal relevance: near the question and not near each other (`stores.diversity`).

    Attributes:
        lambda_mult: 1 looks at the question alone, 0 at the difference alone.
        depth: how many of the first order are chosen from.
        first: gives that order.
    """

    lambda_mult: float = diversity.LAMBDA
    depth: int = 50
    first: Recipe = field(default_factory=Conversation)

    def order(self, pool: Pool, k: int) -> Scored:
        """Those that are chosen, in the order in which they are, then those without a vector."""
        scored = dict(self.first.order(pool, k)[: max(k, self.depth)])
        vectors = pool.vectors.of([item.id for item in scored])
        if pool.vector is None or not vectors:
            return list(scored.items())
        with_vector = [item for item in scored if item.id in vectors]
        rows = np.stack([vectors[item.id] for item in with_vector])
        chosen = diversity.mmr(pool.vector, rows, keep=k, lambda_mult=self.lambda_mult)
        ordered = [with_vector[row] for row in chosen] + [item for item in scored if item.id not in vectors]
        return [(item, 1 / place) for place, item in enumerate(ordered, start=1)]


@dataclass(frozen=True, slots=True)
class Near:
    """By the number of facts that lie between an entity and what was found; of equal distance by the first order.

    Attributes:
        entity: its name or id.
        first: gives the first order.
    """

    entity: str | int
    first: Recipe = field(default_factory=Conversation)

    def order(self, pool: Pool, k: int) -> Scored:
        """All, the nearest first; an episode is as near as the nearest fact that rests on it."""
        entity = find_entity(pool.reading, self.entity, pool.standing.known)
        far = distances(pool.reading, entity, pool.standing)
        scored = self.first.order(pool, k)
        ends = pool.ends([item for item, _ in scored])
        away = {item: min((far.get(end, len(far)) for end in ends[item]), default=len(far)) for item, _ in scored}
        ordered = sorted(scored, key=lambda each: away[each[0]])
        return [(item, 1 / (1 + away[item]) + score) for item, score in ordered]


class Ranks(Protocol):
    """A reranker of `ragloom.rag.rerank`, or anything else with its verb."""

    def rank(self, query: str, documents: Sequence[Document | str]) -> Sequence[RankedText]:
        """Rank texts, best first."""


class RankedText(Protocol):
    """One text that was ranked."""

    @property
    def given(self) -> int:
        """Its place in the list that was ranked, from 1."""

    @property
    def score(self) -> float:
        """Higher is better."""


@dataclass(frozen=True, slots=True)
class Reranked:
    """By a reranker that reads the question and the texts: a cross-encoder, or the LLM's attention (ICR).

    Attributes:
        reranker: `CrossEncoderReranker(...)`, `IcrReranker(...)` or another one of `ragloom.rag.rerank`.
        depth: how many of the first order it reads.
        first: gives that order.
    """

    reranker: Ranks
    depth: int = 20
    first: Recipe = field(default_factory=Conversation)

    def order(self, pool: Pool, k: int) -> Scored:
        """Those that were read, as the reranker ranks them."""
        items = [item for item, _ in self.first.order(pool, k)[: max(k, self.depth)]]
        texts = pool.texts(items)
        ranked = self.reranker.rank(pool.query, [texts[item] for item in items])
        return [(items[each.given - 1], each.score) for each in ranked]


rrf = Rrf()
conversation = Conversation()
mmr = Mmr()
near = Near
cross_encoder = Reranked
icr = Reranked
