"""Feedback: what a search found moves the query's vector, and the corpus is searched once more. Nothing is generated.

`Rocchio` takes the first documents for relevant, `q' = alpha * q + beta * mean(d_1 ... d_depth)`: Rocchio, "Relevance
Feedback in Information Retrieval", 1971, on dense vectors as in Li, Mourad, Zhuang, Koopman and Zuccon, "Pseudo
Relevance Feedback with Deep Language Models and Dense Retrievers", TOIS 2023, section 3.2. That paper's program has
`alpha=0.4, beta=0.6, depth=3`, which moves a vector further than the embedded embedder gains from: see docs/queries.md.

`RerankerFeedback` takes a reranker's word for it: the vector is moved until its cosines order the documents as the
reranker does. Reddy et al., "FIRST: Faster Improved Listwise Reranking with Single Token Decoding", EMNLP 2024, on
relevance feedback. With ranks `r` by the reranker and scores `s_i = (scale / 2) * q . d_i`, gradient descent (Adam) on
`q` lowers RankNet's loss, weighted so that the first ranks count most,

    L(q) = mean over pairs with r_i < r_j of log(1 + exp(s_j - s_i)) / (r_i + r_j).

`scale` is the range of the reranker's scores over that of the cosines, and 20 steps of 0.001 are those of the paper's
program. There they only refine a vector that 100 steps of 0.005 have moved before, towards a cross-encoder's scores of
100 passages, and the vectors are not of length 1. That larger part we leave out.

Whether the first search, for the documents, and the second one are dense or hybrid is what Li et al., "To Interpolate
or not to Interpolate", SIGIR 2022, call interpolation before and after feedback: see `FeedbackRetriever`. They weigh
scores; ours is fused by rank, as every hybrid search is here, and has no weight.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from .descent import descend

Vectors = NDArray[np.float32]

ALPHA, BETA = 0.8, 0.2
DEPTH = 1
"""How many documents are taken for relevant."""

RERANKED = 20
"""How many reranked documents are learned from: one window of FIRST."""

STEPS, RATE = 20, 0.001


class Feedback(BaseModel):
    """Moves a query's vector.

    Attributes:
        depth: so many of the first documents are looked at.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    depth: int = Field(default=DEPTH, ge=1)

    def move(self, vector: Vectors, documents: Vectors, scores: Sequence[float]) -> Vectors:
        """The vector after feedback; without documents it stays where it is.

        Args:
            vector: of the query, of length 1: shape (dimension,).
            documents: unit vectors of what was found, best first: shape (documents, dimension).
            scores: of each document, higher is better.
        """
        first, own = documents[: self.depth], list(scores)[: self.depth]
        return self._moved(vector, first, own) if len(first) else vector

    @abstractmethod
    def _moved(self, vector: Vectors, documents: Vectors, scores: Sequence[float]) -> Vectors:
        """The vector after feedback by at least one document."""


class Rocchio(Feedback):
    """Moves the vector towards the mean of the first documents.

    ```python
    import numpy as np
    from ragloom.rag.retrieve import Rocchio

    query, found = np.array([1.0, 0.0]), np.array([[0.0, 1.0], [0.6, 0.8]])
    print(Rocchio(alpha=0.5, beta=0.5, depth=2).move(query, found, [2, 1]))  # -> [0.65 0.45]
    ```

    Attributes:
        alpha: weight of the query's own vector.
        beta: weight of the documents' mean.
    """

    alpha: float = Field(default=ALPHA, ge=0, allow_inf_nan=False)
    beta: float = Field(default=BETA, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        if not self.alpha and not self.beta:
            raise ValueError("alpha and beta are both 0, which leaves no vector; give one of them a weight")
        return self

    def _moved(self, vector: Vectors, documents: Vectors, scores: Sequence[float]) -> Vectors:  # noqa: ARG002 - ranks do
        moved: Vectors = self.alpha * vector + self.beta * documents.mean(axis=0)
        return moved


class RerankerFeedback(Feedback):
    """Moves the vector until its cosines order the first documents as their scores do.

    ```python
    import numpy as np
    from ragloom.rag.retrieve import RerankerFeedback

    query, found = np.array([1.0, 0.0]), np.array([[0.0, 1.0], [0.8, 0.6]])
    moved = RerankerFeedback(steps=500).move(query, found, [2.0, 1.0])
    print(found @ query, bool(np.diff(found @ moved) < np.diff(found @ query)))  # -> [0.  0.8] True
    ```

    Attributes:
        steps: of gradient descent; 0 moves nothing.
        rate: how far each moves a number of the vector.
    """

    depth: int = Field(default=RERANKED, ge=1)
    steps: int = Field(default=STEPS, ge=0)
    rate: float = Field(default=RATE, gt=0, allow_inf_nan=False)

    def _moved(self, vector: Vectors, documents: Vectors, scores: Sequence[float]) -> Vectors:
        wanted, cosines = np.asarray(scores, float), documents @ vector
        better = wanted[:, None] > wanted[None, :]
        if not better.any() or not np.ptp(cosines):
            return vector  # the scores say nothing, or the documents are all the same
        ranks = np.argsort(np.argsort(-wanted, kind="stable")) + 1
        weights = better / (ranks[:, None] + ranks[None, :])
        scaled = documents.astype(float) * _scale(wanted, cosines) / 2

        def gradient(at: NDArray[np.float64]) -> NDArray[np.float64]:
            own = scaled @ at
            pull = weights / (1 + np.exp(np.clip(own[:, None] - own[None, :], -50, 50)))
            slope: NDArray[np.float64] = (pull.sum(axis=0) - pull.sum(axis=1)) / better.sum() @ scaled
            return slope

        moved = descend(vector.astype(float), gradient, steps=self.steps, rate=self.rate)
        return moved.astype(np.float32)


def _scale(wanted: NDArray[np.float64], cosines: Vectors) -> float:
    told = wanted[np.isfinite(wanted)]
    return float((np.ptp(told) if len(told) else 0.0) or 1.0) / float(np.ptp(cosines))
