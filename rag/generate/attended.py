"""Quotes that the LLM chooses without writing a word: the sentences that the question draws its attention to.

The best passages are read in one go with the question after them, as for in-context reranking, and a sentence weighs
what its words weigh: the attention from the question less that from "N/A" (see `rerank.icr`), summed over the heads of
the middle layers, which found them best on the rows for choosing. Sentences are quoted by

    z(attention) + z(cosine to the question),

both standardised over the sentences that were read, the best ones within `SPREAD` of the very best. The price is one
read of the passages; `benchmarks/answers.py` sets this beside `quote`, which needs no LLM.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .evidence import Evidence
from .quoting import MAX_SENTENCES, quoted
from .types import Answer, Citation

if TYPE_CHECKING:
    from ..llm.attention.flash import Head
    from ..llm.base import ChatModel
    from ..rerank.types import Ranking

PASSAGES = 3

SPREAD = 3.5
"""How far, in standard deviations, a quoted sentence may be behind the best one."""

_MIDDLE = (0.45, 2 / 3)
"""From where to where of a model's depth its heads look for what was asked: chosen for the embedded LLM."""


def quote_attended(
    evidence: Evidence,
    llm: ChatModel,
    *,
    passages: int = PASSAGES,
    max_sentences: int = MAX_SENTENCES,
    spread: float = SPREAD,
) -> Answer:
    """Answer in the documents' own words, those that the question draws the LLM's attention to; `how` is `quoted`.

    Args:
        evidence: what was gathered for the question.
        llm: a model on this machine.
        passages: read so many of the best passages.
        max_sentences: quote at most so many sentences.
        spread: how far, in standard deviations, a quoted sentence may be behind the best one.

    Raises:
        AttentionUnavailable: the LLM is a server, or a model whose attention cannot be read.
        ContextOverflow: the question leaves no room for a passage.
    """
    read = evidence.ranking[:passages]
    if not any(passage in read for passage in evidence.passage_of):
        return quoted(evidence, [])
    ranking = _read(evidence, read, llm)
    weights = _by_sentence(evidence, read, ranking)
    sentences, attention = np.array([*weights], np.intp), np.array([*weights.values()], np.float32)
    scores = _standardised(attention) + _standardised(evidence.sentence_scores[sentences])
    best = np.argsort(-scores, kind="stable")[:max_sentences]
    answer = quoted(evidence, [int(sentences[at]) for at in best if scores[at] >= scores.max() - spread])
    return replace(answer, notes=ranking.notes, usage={"input_tokens": ranking.evaluated, "output_tokens": 0})


def _read(evidence: Evidence, passages: Sequence[int], llm: ChatModel) -> Ranking:
    """The passages with what attention each of their words drew."""
    from ..rerank.icr import IcrReranker

    reranker = IcrReranker(llm=llm, heads=_middle_heads(llm), explain=True)
    return reranker.rank(evidence.question, [evidence.documents[passage] for passage in passages])


def _by_sentence(evidence: Evidence, passages: Sequence[int], ranking: Ranking) -> dict[int, float]:
    """The calibrated attention to each sentence that was read, by its index."""
    from ..rerank.explaining import weight_of

    words = {passages[ranked.given - 1]: ranked.highlights for ranked in ranking}
    found: dict[int, float] = {}
    for i, (sentence, passage) in enumerate(zip(evidence.sentences, evidence.passage_of, strict=True)):
        offset = Citation.of(evidence.documents[passage]).start
        weight = weight_of(words.get(passage, ()), sentence.start - offset, sentence.end - offset)
        if weight is not None:
            found[i] = weight
    return found


def _middle_heads(llm: ChatModel) -> tuple[Head, ...]:
    from ..llm.attention.flash import Head

    weights = llm.engine.weights
    first, last = (round(part * weights.n_layers) for part in _MIDDLE)
    return tuple(Head(layer, head) for layer in range(first, max(last, first + 1)) for head in range(weights.n_heads))


def _standardised(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Z-scores; zeros where all are equal."""
    centred: NDArray[np.float32] = values - values.mean()
    deviation = float(values.std())
    return centred / deviation if deviation > 0 else centred
