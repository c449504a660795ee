"""Making one order of several: the first stage's and a reranker's, or those of several rerankers.

Reciprocal rank fusion needs ranks only: `weight / (60 + rank)`, summed over the lists that hold a document (Cormack,
Clarke and Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods", SIGIR 2009;
the weights are ours). Weighted fusion adds z-scores, `(score - mean) / deviation` over the documents of one query, so
that scales do not matter and distances do; with another normalisation it is CombSUM (Fox and Shaw, "Combination of
Multiple Searches", TREC-2, 1994).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Literal, TypeVar

import numpy as np

from ..._explain import unknown
from ...stores.fusion import K
from .errors import RerankError

Scored = Sequence[float]

Key = TypeVar("Key", bound=Hashable)
Scoring = Literal["zscore", "rrf"]
"""How the scores of several lists are added: normalised, or by rank."""


def z_scores(scores: Scored) -> list[float]:
    """`(score - mean) / deviation`; all 0 where the scores do not differ; minus infinity counts as the lowest other.

    ```python
    from ragloom.rag.rerank.fusing import z_scores

    print(z_scores([1, 3]), z_scores([2, 2]))  # -> [-1.0, 1.0] [0.0, 0.0]
    ```
    """
    values = np.array(scores, float)
    if (impossible := np.isneginf(values)).any():
        values[impossible] = 0.0 if impossible.all() else values[~impossible].min()
    if not len(values) or values.min() == values.max():
        return [0.0] * len(values)
    normal: list[float] = ((values - values.mean()) / values.std()).tolist()
    return normal


def with_first_stage(scores: Scored, weight: float) -> list[float]:
    """`(1 - weight) * z(scores) + weight * z(1 / (60 + rank))`, where the rank is the place in `scores`, from 1."""
    ranks = z_scores([1 / (K + rank) for rank in range(1, len(scores) + 1)])
    return [(1 - weight) * own + weight * rank for own, rank in zip(z_scores(scores), ranks, strict=True)]


def fuse(
    rankings: Mapping[str, Sequence[tuple[Key, float]]],
    weights: Mapping[str, float] | None = None,
    method: Scoring = "zscore",
) -> list[tuple[Key, float]]:
    """Fuse lists of documents with their scores into one, best first.

    ```python
    from ragloom.rag.rerank import fuse

    found = {"words": [("a", 9.0), ("b", 8.0), ("c", 1.0)], "meaning": [("c", 0.9), ("b", 0.8), ("a", 0.1)]}
    print([name for name, score in fuse(found, {"words": 0.7, "meaning": 0.3})])  # -> ['b', 'a', 'c']
    ```

    Args:
        rankings: the lists by name, each best first; what stands twice in one counts where it stands first.
        weights: how much each list counts; one that is not named counts 1.
        method: `zscore` adds normalised scores, where a document that a list lacks gets the lowest of that list; `rrf`
            adds `1 / (60 + rank)`, where it gets nothing.

    Returns:
        Every document of any list with its score. Equals keep the order in which they first appear.

    Raises:
        RerankError: there is no such list or method, or a weight is negative, infinite or no number.
    """
    weights = _checked(weights or {}, rankings)
    score = _METHODS.get(method)
    if score is None:
        raise RerankError(unknown("method", method, _METHODS))
    totals: dict[Key, float] = {key: 0.0 for ranking in rankings.values() for key, _ in ranking}
    for name, ranking in rankings.items():
        first: dict[Key, float] = {}
        for key, own in ranking:
            first.setdefault(key, own)
        worth, lacking = score(list(first.values()))
        by_key = dict(zip(first, worth, strict=True))
        for key in totals:
            totals[key] += weights.get(name, 1.0) * by_key.get(key, lacking)
    return sorted(totals.items(), key=lambda pair: -pair[1])


def _checked(weights: Mapping[str, float], names: Mapping[str, object]) -> Mapping[str, float]:
    for name, weight in weights.items():
        if name not in names:
            raise RerankError(f"a weight for an {unknown('list', name, names)}")
        if not (math.isfinite(weight) and weight >= 0):
            raise RerankError(f"the weight of {name!r} is a number from 0 up, not {weight}")
    return weights


def _by_score(scores: Scored) -> tuple[list[float], float]:
    normal = z_scores(scores)
    return normal, min(normal, default=0.0)


def _by_rank(scores: Scored) -> tuple[list[float], float]:
    return [1 / (K + rank) for rank in range(1, len(scores) + 1)], 0.0


_METHODS: Mapping[str, Callable[[Scored], tuple[list[float], float]]] = {"zscore": _by_score, "rrf": _by_rank}
