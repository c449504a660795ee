"""CLAP NQ: a question with one passage, which answers it or does not; what answers are measured by.

Rows 1-100 of each file are for choosing settings, the rest is the report. Token recall is against the best of the gold
answers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from langchain_core.documents import Document
from numpy.typing import NDArray
from ragloom.rag.evaluate import bootstrap
from ragloom.rag.evaluate.measures import wording
from ragloom.rag.generate import Answer, Evidence, gather
from ragloom.stores.embedder import TextEmbedder

CHOOSING = slice(0, 100)
REPORTING = slice(100, None)


def evidence_of(row: dict[str, Any], encoder: TextEmbedder) -> Evidence:
    """What a row's passage has for its question."""
    passage = row["passages"][0]
    document = Document(page_content=passage["text"], metadata={"title": passage["title"]})
    vector = encoder.encode([f"{passage['title']}\n{passage['text']}"])
    return gather(row["input"], [document], encoder, passage_vectors=vector)


def auc(yes: NDArray[np.float64], no: NDArray[np.float64]) -> float:
    """How often a score of an answerable question is above one of an unanswerable one."""
    answerable = np.repeat([True, False], [len(yes), len(no)])
    return float(bootstrap.auc(np.concatenate([yes, no]), answerable, bootstrap.once(len(answerable)))[0])


def recall(answer: Answer, golds: list[str]) -> float:
    """Share of a gold answer's tokens that the answer has, as `ragloom eval` counts them."""
    return wording.recall(words(answer), golds)


def words(answer: Answer) -> str:
    return " ".join(statement.text for statement in answer.statements)
