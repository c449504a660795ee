"""What answers are worth on CLAP NQ, and what tells questions with an answer from those without.

Each question comes with one passage, so MAIN-RAG has nothing to filter: what is measured of it is the judge. It
answers, as `cited` does, where its score is above 0, which is where it would rather say Yes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from clapnq import auc, evidence_of, recall, words
from jobs import Job
from rag_bench import WAYS, Bench
from ragloom.agents import Judge, Predictor
from ragloom.rag.generate import Answer, ChainOfNote, Evidence, cited, ground, quote
from ragloom.rag.generate.support import ContentTerms
from report import interval
from rerank_state import Key, State

KINDS = ("answerable", "unanswerable")
ANSWERS = ("cited", "quote", "ground", "notes", "main-rag")
SCORES = ("MiniLM cosine", "confidence", *(f"main-rag, {way}" for way in WAYS))


def answer_jobs(bench: Bench) -> Iterator[Job]:
    """All answers and scores of each question at once, for they share the draft."""
    for kind in KINDS:
        for row in bench.rows[kind]:
            yield Job(Key("answers", kind, "", bench.split, str(row["id"])), partial(_answered, bench, row))


def _answered(bench: Bench, row: dict[str, Any]) -> dict[str, Any]:
    found = evidence_of(row, bench.embedder)
    question, documents = row["input"], found.documents
    scores = _scores(bench, found)
    draft, quotes = cited(question, documents, bench.llm), quote(found)
    kept = draft if scores[f"main-rag, {WAYS[0]}"] > 0 else None
    answers: dict[str, Answer | None] = {
        "cited": draft,
        "quote": quotes if found.answerable() else None,
        "ground": ground(draft, found, bench.embedder, quotes) if found.answerable() else None,
        "notes": ChainOfNote(llm=bench.llm).answer(question, documents),
        "main-rag": kept,
    }
    return {"scores": scores, "answers": {name: _measured(answer, row) for name, answer in answers.items()}}


def _scores(bench: Bench, found: Evidence) -> dict[str, float]:
    passage = found.documents[0]
    text = f"{passage.metadata['title']}\n{passage.page_content}"
    prediction = Predictor(llm=bench.llm).predict(found.question, text)
    judges = [Judge(llm=bench.llm, way=way).judge(found.question, text, prediction).score for way in WAYS]
    cosine = float(found.passage_scores.max(initial=-1))
    return dict(zip(SCORES, (cosine, found.confidence, *judges), strict=True))


def _measured(answer: Answer | None, row: dict[str, Any]) -> dict[str, float] | None:
    """None: it does not know."""
    if answer is None or not answer.known:
        return None
    golds = [output["answer"] for output in row["output"] if output["answer"]]
    text = row["passages"][0]["text"]
    return {
        "recall": recall(answer, golds) if golds else 0.0,
        "K-precision": ContentTerms().precision(words(answer), text),
        "words": len(words(answer).split()),
    }


def answer_rows(state: State, bench: Bench) -> Iterator[dict[str, Any]]:
    """A row for each way of answering, then one for each score that may say whether there is an answer."""
    found = {kind: list(state.of("answers", kind, "", bench.split).values()) for kind in KINDS}
    if not all(found.values()):
        return
    for name in ANSWERS:
        with_answer, without = ([row["answers"][name] for row in found[kind]] for kind in KINDS)
        said = [answer for answer in with_answer if answer]
        recalls = [answer["recall"] if answer else 0.0 for answer in with_answer]
        low, high = interval(recalls)
        right = len(said) + sum(answer is None for answer in without)
        yield {
            "what": name,
            "token recall": float(np.mean(recalls)),
            "low": low,
            "high": high,
            "K-precision": float(np.mean([answer["K-precision"] for answer in said])) if said else 0.0,
            "words": float(np.mean([answer["words"] for answer in said])) if said else 0.0,
            "coverage": len(said) / len(with_answer),
            "declined of unanswerable": float(np.mean([answer is None for answer in without])),
            "decided rightly": right / (len(with_answer) + len(without)),
        }
    for name in SCORES:
        yes, no = (np.array([row["scores"][name] for row in found[kind]]) for kind in KINDS)
        yield {"what": f"abstaining by {name}", "AUC": auc(yes, no)}
