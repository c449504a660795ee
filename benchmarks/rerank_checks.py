"""What else `rerank.py` asks of a reranker: whether the order of its input matters, whether the words that it names are
those that count, and how much memory it takes.
"""

from __future__ import annotations

import multiprocessing
import random
import re
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from ragloom import load
from ragloom.rag.llm.attention.document_kv import DocumentKV
from ragloom.rag.rerank import IcrReranker, Ranking, Reranker
from rerank_data import Asked, Task
from rerank_methods import CACHED, CHOSEN, Methods
from scipy.stats import kendalltau

WORDS, SHUFFLES = 5, 3
_HELD = 1_000_000_000  # bytes of documents' KV in memory


def by_id(ranking: Ranking) -> dict[str, float]:
    """Scores in the order of the first stage."""
    given = sorted(ranking, key=lambda each: each.given)
    return {str(each.document.id): each.score for each in given}


def tau(one: dict[str, float], other: dict[str, float]) -> float:
    """Kendall's, of the same documents; 1.0 if there is only one."""
    if len(one) < 2:
        return 1.0
    return float(kendalltau(list(one.values()), [other[key] for key in one]).statistic)


def in_memory(methods: Methods, task: Task, name: str, *, explain: bool = False) -> IcrReranker:
    """ICR, published or cached, with documents' KV in memory."""
    cached = DocumentKV(memory=_HELD) if name == CACHED else False
    return IcrReranker(llm=methods.llm, task=task, cached=cached, explain=explain, **CHOSEN[name])


def permutation(reranker: Reranker, asked: Asked) -> dict[str, Any]:
    """Kendall's tau between the scores of the documents as they came and shuffled."""
    whole = by_id(reranker.rank(asked.query, asked.documents))
    taus = []
    for seed in range(SHUFFLES):
        documents = list(asked.documents)
        random.Random(f"{asked.id} {seed}").shuffle(documents)
        taus.append(tau(whole, by_id(reranker.rank(asked.query, documents))))
    return {"tau": taus}


def words(reranker: IcrReranker, asked: Asked) -> dict[str, Any]:
    """Of each document, whether its score is lower without the words that drew most attention than without others.

    The others are random ones of at least as many tokens. The other documents stay as they are and where they are.
    """
    random_words = random.Random(asked.id)
    lower: dict[str, bool] = {}
    short = 0
    for ranked in reranker.rank(asked.query, asked.documents):
        text = ranked.document.page_content
        named = [(each.start, each.end) for each in ranked.highlights[:WORDS]]
        others = [match.span() for match in re.finditer(r"\S+", text) if match.span() not in named]
        random_words.shuffle(others)
        chosen = _as_long(others, sum(_tokens(reranker, text, span) for span in named), reranker, text)
        if len(chosen) == len(others):
            short += 1  # has hardly more words than these
            continue
        left = [_score_with(reranker, asked, ranked.given - 1, _without(text, cut)) for cut in (named, chosen)]
        lower[str(ranked.document.id)] = left[0] < left[1]
    return {"lower": lower, "short": short}


def _as_long(
    spans: Sequence[tuple[int, int]], tokens: int, reranker: IcrReranker, text: str
) -> Sequence[tuple[int, int]]:
    """The first spans that have so many tokens together."""
    for number, span in enumerate(spans):
        if tokens <= 0:
            return spans[:number]
        tokens -= _tokens(reranker, text, span)
    return spans


def _tokens(reranker: IcrReranker, text: str, span: tuple[int, int]) -> int:
    return len(reranker.llm.engine.tokenize(f" {text[slice(*span)]}"))


def _score_with(reranker: Reranker, asked: Asked, at: int, text: str) -> float:
    documents = list(asked.documents)
    documents[at] = documents[at].model_copy(update={"page_content": text})
    return next(each.score for each in reranker.rank(asked.query, documents) if each.given == at + 1)


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    for start, end in sorted(spans, reverse=True):
        text = text[:start] + text[end:]
    return " ".join(text.split())


def peak(model: str, methods: Methods, name: str, task: Task, asked: Asked) -> dict[str, Any]:
    """Most memory in MB that a process of its own had for one query, on Linux."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return {"mb": pool.submit(_peak, model, methods.store, methods.cross_encoder, name, task, asked).result()}


def _peak(model: str, store: Path, cross_encoder: Path | None, name: str, task: Task, asked: Asked) -> float | None:
    with load(model) as llm:
        (method,) = Methods(llm, store, cross_encoder).timed(name)
        method.make(task).rank(asked.query, asked.documents)
    status = Path("/proc/self/status")  # `ru_maxrss` would begin with what the parent has
    found = re.search(r"VmHWM:\s+([0-9]+) kB", status.read_text(encoding="utf-8")) if status.exists() else None
    return int(found[1]) / 1024 if found else None
