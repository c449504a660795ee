"""Which documents MAIN-RAG keeps, beside as many others: the first ones, random ones, those above a fixed score.

Of a random choice of k of N documents, R of which support the answer, k R / N are expected to; F1 = 2 tp / (k + R) is
linear in that, so the expected F1 is exact and nothing is drawn.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jobs import Job
from rag_bench import WAYS, Bench, judged
from ragloom.agents.threshold import decide
from ragloom.agents.types import Way
from report import interval
from rerank_data import Asked, QuerySet
from rerank_state import Key, State
from scipy.stats import spearmanr

NS = (0.0, 0.5, 1.0)


class Measured(NamedTuple):
    """Of one question: how many documents are kept, and how right that is."""

    kept: int
    precision: float
    recall: float
    f1: float


def filter_jobs(bench: Bench) -> Iterator[Job]:
    """Both judges on all questions; those for choosing first, for on them the fixed score is chosen."""
    for questions in [bench.tune] if bench.split == "tune" else [bench.tune, bench.report]:
        for way in WAYS:
            for asked in questions.asked:
                yield Job(_key(questions, way, asked), partial(_filtered, bench, way, asked))


def _key(questions: QuerySet, way: Way, asked: Asked) -> Key:
    return Key("filter", questions.name, "main-rag", way, asked.id)


def _filtered(bench: Bench, way: Way, asked: Asked) -> dict[str, Any]:
    before, started = bench.llm.engine.stats(), time.perf_counter()
    found = judged(bench.agents(way), asked)
    ms, after = (time.perf_counter() - started) * 1000, bench.llm.engine.stats()
    tokens = {name: getattr(after, name) - getattr(before, name) for name in ("prefilled", "reused", "decoded")}
    return {**found, "ms": round(ms, 1), **tokens}


def filter_rows(state: State, bench: Bench) -> Iterator[dict[str, Any]]:
    """A row for each judge and n, and what as many others would have been."""
    questions = bench.questions
    for way in WAYS:
        found = scores_of(state, questions, way)
        if not found:
            continue
        for n in NS:
            chosen = {key: _ids(found[key], decide([*found[key].values()], n=n).kept) for key in found}
            yield from _beside(questions, f"main-rag, {way}, n={n}", chosen)
        if tuned := scores_of(state, bench.tune, way):
            least = fixed_score(bench.tune, tuned)
            chosen = {key: [each for each, score in own.items() if score >= least] for key, own in found.items()}
            yield from _beside(questions, f"{way}, score at least {least:.2f}", chosen)


def agreement_rows(state: State, bench: Bench) -> Iterator[dict[str, Any]]:
    """How far the two judges agree, and what each costs."""
    both = [scores_of(state, bench.questions, way) for way in WAYS]
    common = both[0].keys() & both[1].keys()
    if not common:
        return
    same, ranks = [], []
    for key in common:
        one, other = ([*each[key].values()] for each in both)
        kept = [set(decide(each).kept) for each in (one, other)]
        same.append(1 - len(kept[0] ^ kept[1]) / len(one))
        ranks.append(float(spearmanr(one, other).statistic))
    yield {"what": "documents on which both decide alike, n=0", "mean": float(np.mean(same)), "of": len(same)}
    yield {"what": "Spearman's rank correlation of their scores", "mean": float(np.nanmean(ranks)), "of": len(ranks)}
    for way in WAYS:
        rows = state.of("filter", bench.questions.name, "main-rag", way).values()
        for name in ("ms", "prefilled", "reused", "decoded"):
            yield {"what": f"{way}: {name}", "mean": float(np.mean([row[name] for row in rows])), "of": len(rows)}


def scores_of(state: State, questions: QuerySet, way: Way) -> dict[str, dict[str, float]]:
    """Scores by question and document, in the order of the first stage."""
    found = state.of("filter", questions.name, "main-rag", way)
    return {each.id: found[each.id]["scores"] for each in questions.asked if each.id in found}


def fixed_score(questions: QuerySet, found: Mapping[str, Mapping[str, float]]) -> float:
    """The least score that makes the best F1 when it is the same for all questions."""
    relevant = {each.id: each.relevant for each in questions.asked}

    def f1(least: float) -> float:
        kept = {key: [each for each, score in own.items() if score >= least] for key, own in found.items()}
        return float(np.mean([_measured(kept[key], relevant[key]).f1 for key in found]))

    return max(sorted({score for own in found.values() for score in own.values()}), key=f1)


def _beside(questions: QuerySet, name: str, chosen: Mapping[str, list[str]]) -> Iterator[dict[str, Any]]:
    """What is chosen, and as many documents of the first stage and at random, question by question."""
    asked = [each for each in questions.asked if each.id in chosen]
    own = [_measured(chosen[each.id], each.relevant) for each in asked]
    first = [_measured(each.ids[: len(chosen[each.id])], each.relevant) for each in asked]
    random = [_expected(len(chosen[each.id]), len(each.ids), len(each.relevant)) for each in asked]
    row = _row(name, own)
    for other, theirs in (("random", random), ("top-k", first)):
        low, high = interval([one.f1 - two.f1 for one, two in zip(own, theirs, strict=True)])
        row |= {f"less {other}: low": low, f"less {other}: high": high}
    yield row
    yield _row(f"  top-k of the first stage, as many as {name}", first)
    yield _row(f"  random, as many as {name}", random)


def _row(name: str, measured: list[Measured]) -> dict[str, Any]:
    means = np.mean(measured, axis=0)
    return {"method": name, "questions": len(measured), **dict(zip(Measured._fields, map(float, means), strict=True))}


def _ids(scores: Mapping[str, float], places: tuple[int, ...]) -> list[str]:
    ids = list(scores)
    return [ids[place] for place in places]


def _measured(kept: Collection[str], relevant: Collection[str]) -> Measured:
    right = sum(each in relevant for each in kept)
    return _of(len(kept), right, len(relevant))


def _expected(kept: int, documents: int, relevant: int) -> Measured:
    return _of(kept, kept * relevant / documents, relevant)


def _of(kept: int, right: float, relevant: int) -> Measured:
    return Measured(kept, right / kept if kept else 0.0, right / relevant, 2 * right / (kept + relevant))
