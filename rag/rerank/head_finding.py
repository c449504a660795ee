"""Finding the heads that rank best: every head ranks labelled passages by its calibrated attention alone.

A head's score for a passage is its attention to the passage's tokens under the query less that under "N/A". Heads are
ordered by the mean nDCG@10 of these scores. The passages are shuffled before: many heads look at what is near the
query, and in the order of a first stage, the best one last, they would rank as well as the first stage does.

How many heads to take, and whether the few are better than all, is seen by cross-validation: chosen on four fifths of
the queries, measured on the last fifth, so that a head which was merely lucky does not count.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self, get_args

import numpy as np
from numpy.typing import NDArray

from ..._explain import count
from ...prompts import load_prompt
from ..llm.attention.document_kv import DocumentKV
from ..llm.attention.flash import Head
from ..llm.engine import LlamaEngine
from ..llm.errors import ContextOverflow
from .errors import RerankError
from .fitting import SHORTEST, level
from .heads import Gain, HeadScore, HeadScores, Way, model_digest
from .icr_prompt import IcrPrompt
from .icr_reading import NOTHING, IcrReading, read_passages
from .labelled import Labelled
from .ndcg import ndcg

FOLDS = 5
COUNTS = (1, 2, 4, 8, 16, 32, 64)
WAYS: tuple[Way, ...] = get_args(Way)


@dataclass(frozen=True, slots=True)
class Trial:
    """What each head made of one query.

    Several heads are the sum of their scores. That is not quite the score of `IcrReranker`, which leaves out the
    outliers among the tokens once their scores are summed over the heads that it reads.

    Attributes:
        scores: `[n_passages, n_heads]`.
        relevance: `[n_passages]`.
    """

    scores: NDArray[np.float32]
    relevance: NDArray[np.int64]

    @classmethod
    def of(cls, reading: IcrReading, relevance: Sequence[int]) -> Self:
        """Every head's calibrated attention to each passage."""
        real, nothing = reading.attention.sums([reading.span(place) for place in range(len(relevance))])
        return cls((real - nothing).T, np.array(relevance))

    def ndcg(self, heads: Sequence[int]) -> float:
        """NDCG@10 of the sum over `heads`, by their number."""
        return float(ndcg(self.scores[:, list(heads)].sum(axis=1, keepdims=True), self.relevance)[0])


def find_heads(  # noqa: PLR0913 - all but three have a default
    engine: LlamaEngine,
    data: Sequence[Labelled],
    *,
    name: str,
    task: str = "search",
    layers: int | None = None,
    tokens: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> HeadScores:
    """Order the heads of a model, for passages that are read together and for those that are read apart.

    Args:
        engine: evaluates the model.
        data: what to rank; where the passages of a query do not fit into the context, the longest are cut.
        name: what to call the data.
        task: `search` or `question`.
        layers: look at the heads of the first ones only, which takes less time.
        tokens: read at most so many of each passage, which takes less time, too; None: what there is room for.
        on_progress: told `(done, total)` after each query.

    Raises:
        AttentionUnavailable: the model has no attention that can be read.
        ContextOverflow: the context has not even room for the beginnings of the passages.
        RerankError: there are fewer queries than folds.
    """
    if len(data) < FOLDS:
        raise RerankError(f"{len(data)} labelled queries are too few; give at least {FOLDS}, better 100")
    prompt = IcrPrompt(engine, load_prompt(f"icr_{task}"))
    heads: tuple[Head, ...] = ()
    trials: dict[Way, list[Trial]] = {way: [] for way in WAYS}
    cut = 0
    for done, each in enumerate(map(_shuffled, data), start=1):
        longest = min(_longest(engine, prompt, each), tokens or engine.n_ctx)
        for way in WAYS:
            cache = DocumentKV(memory=0) if way == "apart" else None
            reading = read_passages(
                engine, prompt, each.query, each.passages, layers=layers, cache=cache, longest=longest
            )
            heads = reading.attention.heads
            trials[way].append(Trial.of(reading, each.relevance))
            cut += way == "together" and sum(part.is_cut for part in reading.parts)
        if on_progress:
            on_progress(done, len(data))
    return HeadScores(
        model=engine.name,
        sha256=model_digest(engine.file),
        data=name,
        task=task,
        queries=len(data),
        documents=max(len(each.passages) for each in data),
        tokens=tokens,
        cut=cut,
        layers=max(head.layer for head in heads) + 1,
        together=order_heads(trials["together"], heads),
        apart=order_heads(trials["apart"], heads),
        gains={way: tuple(gains(those)) for way, those in trials.items()},
    )


def _shuffled(asked: Labelled) -> Labelled:
    """The same passages in an order that is always the same, however they came."""
    pairs = sorted(zip(asked.passages, asked.relevance, strict=True))
    random.Random(asked.query).shuffle(pairs)
    return Labelled(asked.query, *zip(*pairs, strict=True))


def _longest(engine: LlamaEngine, prompt: IcrPrompt, asked: Labelled) -> int:
    """How many tokens a passage may have, so that all of them fit, each with its number."""
    taken = prompt.taken([asked.query, NOTHING])
    lengths = [len(prompt.passage(passage, len(asked.passages))) for passage in asked.passages]
    longest = level(lengths, engine.n_ctx - taken)
    if longest < min(SHORTEST, max(lengths)):
        what = f"a query with {count(len(lengths), 'document')}"
        raise ContextOverflow(taken + SHORTEST * len(lengths), engine.n_ctx, what)
    return longest


def order_heads(trials: Sequence[Trial], heads: Sequence[Head]) -> tuple[HeadScore, ...]:
    """The heads with their mean nDCG@10, best first."""
    means = _means(trials)
    return tuple(
        HeadScore(layer=heads[at].layer, head=heads[at].head, ndcg=round(float(means[at]), 4)) for at in _order(means)
    )


def gains(trials: Sequence[Trial]) -> list[Gain]:
    """NDCG@10 of the best heads and of all, each query ranked by heads that were chosen without it."""
    n_heads = trials[0].scores.shape[1]
    fold = np.random.default_rng(0).permutation(len(trials)) % FOLDS
    orders = [
        _order(_means([trial for trial, other in zip(trials, fold, strict=True) if other != part]))
        for part in range(FOLDS)
    ]

    def mean(taken: int | None) -> float:
        return float(np.mean([trial.ndcg(orders[part][:taken]) for trial, part in zip(trials, fold, strict=True)]))

    counts = [*(taken for taken in COUNTS if taken < n_heads), None]
    return [Gain(heads=taken, ndcg=round(mean(taken), 4)) for taken in counts]


def _means(trials: Sequence[Trial]) -> NDArray[np.float64]:
    means: NDArray[np.float64] = np.mean([ndcg(trial.scores, trial.relevance) for trial in trials], axis=0)
    return means


def _order(means: NDArray[np.float64]) -> list[int]:
    """The heads by their number, best first; equals from the first layer on."""
    order: list[int] = np.argsort(-means, kind="stable").tolist()
    return order
