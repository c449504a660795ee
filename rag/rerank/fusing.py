"""Making one order of several: the first stage's and a reranker's, or those of several rerankers.

Reciprocal rank fusion needs ranks only (`stores.fusion`). Weighted fusion adds z-scores, `(score - mean) / deviation`
over the documents of one query, so that scales do not matter and distances do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...stores.fusion import K

Scored = Sequence[float]


def z_scores(scores: Scored) -> list[float]:
    """`(score - mean) / deviation`; all 0 where the scores do not differ.

    ```python
    from ragloom.rag.rerank.fusing import z_scores

    print(z_scores([1, 3]), z_scores([2, 2]))  # -> [-1.0, 1.0] [0.0, 0.0]
    ```
    """
    values = np.asarray(scores, float)
    deviation = values.std() if len(values) else 0.0
    normal: list[float] = ((values - values.mean()) / deviation).tolist() if deviation > 0 else [0.0] * len(values)
    return normal


def with_first_stage(scores: Scored, weight: float) -> list[float]:
    """`(1 - weight) * z(scores) + weight * z(1 / (60 + rank))`, where the rank is the place in `scores`, from 1."""
    ranks = z_scores([1 / (K + rank) for rank in range(1, len(scores) + 1)])
    return [(1 - weight) * own + weight * rank for own, rank in zip(z_scores(scores), ranks, strict=True)]
