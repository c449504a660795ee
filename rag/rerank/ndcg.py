"""How good an order is: normalised discounted cumulative gain.

DCG@k adds up `relevance / log2(rank + 1)` over the first k documents; nDCG divides it by that of the best order
(Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 2002), as trec_eval does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def ndcg(scores: NDArray[Any], relevance: NDArray[Any], k: int = 10) -> NDArray[np.float64]:
    """nDCG@k of each order that a column of scores makes; equals are in the order in which they stand.

    Args:
        scores: `[n_documents, n_orders]`, higher is better.
        relevance: `[n_documents]`, 0 for a document that is not relevant.
        k: how many documents count.

    Returns:
        `[n_orders]`, from 0 to 1; 0 where nothing is relevant.
    """
    discounts = 1 / np.log2(np.arange(2, min(k, len(relevance)) + 2))
    best = float(np.sort(relevance)[::-1][: len(discounts)] @ discounts)
    if not best:
        return np.zeros(scores.shape[1])
    order = np.argsort(-scores, axis=0, kind="stable")[: len(discounts)]
    gained: NDArray[np.float64] = discounts @ relevance[order] / best
    return gained
