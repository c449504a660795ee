"""Maximal marginal relevance: passages that are near the question and not near each other.

The next passage is the one with the largest
`lambda_mult * cos(passage, query) - (1 - lambda_mult) * max cos(passage, chosen)`.
Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking for Reordering Documents and Producing Summaries",
SIGIR 1998, section 2; `lambda_mult` is their lambda, under LangChain's name.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LAMBDA = 0.5


def mmr(
    query: NDArray[np.float32], vectors: NDArray[np.float32], *, keep: int, lambda_mult: float = LAMBDA
) -> list[int]:
    """Choose up to `keep` rows of `vectors`, in the order they are chosen; of equal ones the first.

    Args:
        query: unit vector of the question, shape (dimension,).
        vectors: unit vectors of the passages, shape (passages, dimension).
        keep: how many to choose.
        lambda_mult: 1 looks at the question alone, 0 at the difference between passages alone.

    Raises:
        ValueError: `lambda_mult` is not between 0 and 1.
    """
    if not 0 <= lambda_mult <= 1:
        raise ValueError(f"lambda_mult must be between 0 and 1, not {lambda_mult!r}")
    relevance = vectors @ query
    nearest = np.full(len(vectors), -np.inf, np.float32)
    chosen: list[int] = []
    while len(chosen) < min(keep, len(vectors)):
        marginal = lambda_mult * relevance - ((1 - lambda_mult) * nearest if chosen else 0)
        marginal[chosen] = -np.inf
        best = int(marginal.argmax())
        chosen.append(best)
        nearest = np.maximum(nearest, vectors @ vectors[best])
    return chosen
