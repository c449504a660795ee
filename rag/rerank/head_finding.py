"""Finding the heads that rank best: every head ranks labelled passages by its calibrated attention alone.

A head's score for a passage is its attention to the passage's tokens under the query less that under "N/A". Heads are
ordered by the mean nDCG@10 of these scores. How many to take, and whether the few are better than all, is seen by
cross-validation: chosen on four fifths of the queries, measured on the last fifth, so that a head which was merely
lucky does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...prompts import load_prompt
from ..llm.attention.document_kv import DocumentKV
from ..llm.attention.flash import Head
from ..llm.engine import LlamaEngine
from .errors import RerankError
from .heads import HeadScore, HeadScores, model_digest
from .icr_prompt import IcrPrompt
from .icr_reading import IcrReading, read_passages
from .labelled import Labelled
from .ndcg import ndcg

FOLDS = 5
COUNTS = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, slots=True)
class Trial:
    """What each head made of one query.

    Attributes:
        scores: `[n_passages, n_heads]`.
        relevance: `[n_passages]`.
    """

    scores: NDArray[np.float32]
    relevance: NDArray[np.int64]

    @classmethod
    def of(cls, reading: IcrReading, relevance: Sequence[int]) -> Trial:
        """Every head's calibrated attention to each passage."""
        real, nothing = reading.attention.sums([reading.span(place) for place in range(len(relevance))])
        return cls((real - nothing).T, np.array(relevance))

    def ndcg(self, heads: Sequence[int]) -> float:
        """NDCG@10 of the sum over `heads`, by their number."""
        return float(ndcg(self.scores[:, list(heads)].sum(axis=1, keepdims=True), self.relevance)[0])


@dataclass(frozen=True, slots=True)
class Gain:
    """Cross-validated nDCG@10 of the best `count` heads; None: of all heads, which need not be chosen."""

    count: int | None
    ndcg: float


def find_heads(
    engine: LlamaEngine,
    data: Sequence[Labelled],
    *,
    name: str,
    task: str = "search",
    layers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[HeadScores, dict[str, list[Gain]]]:
    """Order the heads of a model, for passages that are read together and for those that are read apart.

    Args:
        engine: evaluates the model.
        data: what to rank; passages that do not fit into the context are cut.
        name: what to call the data.
        task: `search` or `question`.
        layers: look at the heads of the first ones only, which takes less time.
        on_progress: told `(done, total)` after each query.

    Returns:
        The order of the heads, and the cross-validated gains of taking few of them: `together` and `apart`.

    Raises:
        AttentionUnavailable: the model has no attention that can be read.
        RerankError: there are fewer queries than folds.
    """
    if len(data) < FOLDS:
        raise RerankError(f"{len(data)} labelled queries are too few; give at least {FOLDS}, better 100")
    prompt = IcrPrompt(engine, load_prompt(f"icr_{task}"))
    heads: tuple[Head, ...] = ()
    trials: dict[str, list[Trial]] = {"together": [], "apart": []}
    for done, each in enumerate(data, start=1):
        room = engine.n_ctx - prompt.taken([each.query, "N/A"])
        for way, cache in (("together", None), ("apart", DocumentKV(memory=0))):
            reading = read_passages(
                engine,
                prompt,
                each.query,
                each.passages,
                layers=layers,
                cache=cache,
                longest=room // len(each.passages),
            )
            heads = reading.attention.heads
            trials[way].append(Trial.of(reading, each.relevance))
        if on_progress:
            on_progress(done, len(data))
    found = HeadScores(
        model=engine.name,
        sha256=model_digest(engine.file),
        data=name,
        queries=len(data),
        together=order_heads(trials["together"], heads),
        apart=order_heads(trials["apart"], heads),
    )
    return found, {way: gains(those) for way, those in trials.items()}


def order_heads(trials: Sequence[Trial], heads: Sequence[Head]) -> tuple[HeadScore, ...]:
    """The heads with their mean nDCG@10, best first."""
    means = _means(trials)
    order = np.argsort(-means, kind="stable")
    return tuple(HeadScore(layer=heads[at].layer, head=heads[at].head, ndcg=round(float(means[at]), 4)) for at in order)


def gains(trials: Sequence[Trial]) -> list[Gain]:
    """NDCG@10 of the best heads and of all, each query ranked by heads that were chosen without it."""
    n_heads = trials[0].scores.shape[1]
    fold = np.random.default_rng(0).permutation(len(trials)) % FOLDS
    orders = [
        np.argsort(-_means([trial for trial, other in zip(trials, fold, strict=True) if other != part]))
        for part in range(FOLDS)
    ]
    counts: list[int | None] = [count for count in COUNTS if count < n_heads]
    return [
        Gain(
            count, float(np.mean([trial.ndcg(orders[part][:count]) for trial, part in zip(trials, fold, strict=True)]))
        )
        for count in [*counts, None]
    ]


def _means(trials: Sequence[Trial]) -> NDArray[np.float64]:
    means: NDArray[np.float64] = np.mean([ndcg(trial.scores, trial.relevance) for trial in trials], axis=0)
    return means
