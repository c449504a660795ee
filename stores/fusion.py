"""Fusing ranked lists.

Reciprocal rank fusion: an item's score is the sum of `1 / (k + rank)` over the lists that hold it, ranks from 1.
Ranks, not scores, are fused, so BM25 and cosine need no common scale. Cormack, Clarke and Buettcher, "Reciprocal Rank
Fusion outperforms Condorcet and individual Rank Learning Methods", SIGIR 2009, section 3; k = 60 is theirs.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

K = 60

Item = TypeVar("Item", bound=Hashable)


def rrf(rankings: Sequence[Sequence[Item]], *, k: int = K) -> list[tuple[Item, float]]:
    """Fuse rankings, best first, into `(item, score)` pairs, best first.

    Ties keep the order of first appearance, so equal input gives equal output.
    """
    scores: dict[Item, float] = {}
    for ranking in rankings:
        for rank, item in enumerate(ranking, start=1):
            scores[item] = scores.get(item, 0.0) + 1.0 / (k + rank)
    return sorted(scores.items(), key=lambda pair: pair[1], reverse=True)
