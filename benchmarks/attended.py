"""Quotes that the LLM chooses without writing a word: the sentences that the question draws its attention to.

The best passages are read in one go with the question after them, as for in-context reranking, and a sentence weighs
what its words weigh: the attention from the question less that from "N/A" (see `rerank.icr`), summed over the heads of
the middle layers, which found them best on the rows for choosing. Sentences are quoted by

    z(attention) + z(cosine to the question),

both standardised over the sentences that were read, the best ones within `SPREAD` of the very best. `answers.py` sets
this beside `quote`, which needs no LLM. It is not better by more than luck may be, so it is here and not in ragloom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import llama_cpp
import numpy as np
from numpy.typing import NDArray
from ragloom.rag.generate import Answer, Citation, Evidence
from ragloom.rag.generate.quoting import MAX_SENTENCES, quoted
from ragloom.rag.llm.attention.flash import Head
from ragloom.rag.llm.base import ChatModel
from ragloom.rag.rerank import IcrReranker
from ragloom.rag.rerank.explaining import weight_of
from ragloom.rag.rerank.types import Ranking

PASSAGES = 3

SPREAD = 3.5
"""How far, in standard deviations, a quoted sentence may be behind the best one."""

_MIDDLE = (0.45, 2 / 3)
"""From where to where of a model's depth its heads look for what was asked: chosen for the embedded LLM."""


def quote_attended(evidence: Evidence, llm: ChatModel) -> Answer:
    """Answer in the documents' own words, those that the question draws the LLM's attention to."""
    read = evidence.ranking[:PASSAGES]
    if not any(passage in read for passage in evidence.passage_of):
        return quoted(evidence, [])
    ranking = _read(evidence, read, llm)
    weights = _by_sentence(evidence, read, ranking)
    sentences, attention = np.array([*weights], np.intp), np.array([*weights.values()], np.float32)
    scores = _standardised(attention) + _standardised(evidence.sentence_scores[sentences])
    best = np.argsort(-scores, kind="stable")[:MAX_SENTENCES]
    answer = quoted(evidence, [int(sentences[at]) for at in best if scores[at] >= scores.max() - SPREAD])
    return replace(answer, notes=ranking.notes, usage={"input_tokens": ranking.evaluated, "output_tokens": 0})


def _read(evidence: Evidence, passages: Sequence[int], llm: ChatModel) -> Ranking:
    """The passages with what attention each of their words drew."""
    reranker = IcrReranker(llm=llm, heads=_middle_heads(llm), explain=True)
    return reranker.rank(evidence.question, [evidence.documents[passage] for passage in passages])


def _by_sentence(evidence: Evidence, passages: Sequence[int], ranking: Ranking) -> dict[int, float]:
    """The calibrated attention to each sentence that was read, by its index."""
    words = {passages[ranked.given - 1]: ranked.highlights for ranked in ranking}
    found: dict[int, float] = {}
    for i, (sentence, passage) in enumerate(zip(evidence.sentences, evidence.passage_of, strict=True)):
        offset = Citation.of(evidence.documents[passage]).start
        weight = weight_of(words.get(passage, ()), sentence.start - offset, sentence.end - offset)
        if weight is not None:
            found[i] = weight
    return found


def _middle_heads(llm: ChatModel) -> tuple[Head, ...]:
    model = llm.engine.weights.pointer
    first, last = (round(part * llama_cpp.llama_model_n_layer(model)) for part in _MIDDLE)
    heads = range(llama_cpp.llama_model_n_head(model))
    return tuple(Head(layer, head) for layer in range(first, max(last, first + 1)) for head in heads)


def _standardised(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Z-scores; zeros where all are equal."""
    centred: NDArray[np.float32] = values - values.mean()
    deviation = float(values.std())
    return centred / deviation if deviation > 0 else centred
