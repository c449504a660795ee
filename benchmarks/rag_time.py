"""MAIN-RAG over 16 documents, and the same prompts one after the other by llama-cpp-python's `Llama`, in turns.

`Llama` goes on from what a prompt has in common with the one before. So there are two orders in which one would call
it, and the faster one counts: the roles one after the other, as in the paper, with a model for each so that only the
judge's keeps the logits of every token (without `logits_all` there are no log-probabilities); and the documents one
after the other, where the judge's prompt goes on from the predictor's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from jobs import Job
from rag_bench import WAYS, Bench
from ragloom.agents import Judge, Predictor
from ragloom.agents.types import MAX_PREDICTION_TOKENS, Way
from ragloom.rag.llm import ChatLocal
from ragloom.rag.llm.messages import to_turns
from ragloom.rag.llm.template import ChatTemplate
from ragloom.rag.rerank.types import Passage
from ragloom.settings import read_settings
from report import interval
from rerank_data import Asked
from rerank_state import Key, State

DOCUMENTS, QUESTIONS = 16, 20
ROOM = 1536  # tokens, for one prompt at a time; `logits_all` takes 0.2 MB of each
BY_DOCUMENT, BY_ROLE = "Llama, document by document", "Llama, role by role"


def time_jobs(bench: Bench) -> Iterator[Job]:
    """All ways to call on one question, in an order that changes with the question.

    The judges take their turns on all questions, so that neither finds what the other has just read.
    """
    plain: dict[bool, Any] = {}
    for way in WAYS:
        for turn, asked in enumerate(bench.questions.asked[:QUESTIONS]):
            key = Key("time", bench.questions.name, f"{DOCUMENTS} documents", way, asked.id)
            yield Job(key, partial(_timed, bench, way, asked, turn, plain))


def _timed(bench: Bench, way: Way, asked: Asked, turn: int, plain: dict[bool, Any]) -> dict[str, Any]:
    from llama_cpp import Llama  # after ragloom, which has its threads sleep where they would spin

    assert isinstance(bench.llm, ChatLocal)
    if not plain:
        threads = read_settings().threads
        options = {"n_ctx": ROOM, "n_threads": threads, "n_threads_batch": threads, "verbose": False}
        file = str(bench.llm.engine.file.path)
        plain.update({logits_all: Llama(file, logits_all=logits_all, **options) for logits_all in (False, True)})
    calls = _Calls(bench.llm, way, asked, plain)
    ways: dict[str, Callable[[], object]] = {
        "ours": lambda: bench.agents(way).filter(asked.query, asked.documents[:DOCUMENTS]),
        BY_DOCUMENT: calls.by_document,
        BY_ROLE: calls.by_role,
    }
    names = list(ways)
    found = {}
    for name in [*names[turn % len(names) :], *names[: turn % len(names)]]:
        started = time.perf_counter()
        ways[name]()
        found[name] = round((time.perf_counter() - started) * 1000, 1)
    return {"ms": found}


class _Calls:
    """The agents as plain calls: the same prompts, in tokens."""

    def __init__(self, llm: ChatLocal, way: Way, asked: Asked, plain: dict[bool, Any]) -> None:
        self._question = asked.query
        self._texts = [str(Passage.of(document)) for document in asked.documents[:DOCUMENTS]]
        self._template = ChatTemplate(llm.engine.weights)
        self._predictor, self._judge = Predictor(llm=llm), Judge(llm=llm, way=way)
        self._plain = plain

    def by_document(self) -> list[Any]:
        return [self._judged(text, self._predicted(text, logits_all=True)) for text in self._texts]

    def by_role(self) -> list[Any]:
        predictions = [self._predicted(text, logits_all=False) for text in self._texts]
        return [self._judged(text, prediction) for text, prediction in zip(self._texts, predictions, strict=True)]

    def _predicted(self, text: str, *, logits_all: bool) -> str:
        prompt = self._template.prompt(to_turns(self._predictor.messages(self._question, text))).tokens
        answer = self._plain[logits_all].create_completion(prompt, max_tokens=MAX_PREDICTION_TOKENS, temperature=0)
        return str(answer["choices"][0]["text"]).strip()

    def _judged(self, text: str, prediction: str) -> Any:
        prompt = self._template.answer_begun(to_turns(self._judge.messages(self._question, text, prediction)))
        return self._plain[True].create_completion(prompt, max_tokens=1, temperature=0, logprobs=20)


def time_rows(state: State, bench: Bench) -> Iterator[dict[str, Any]]:
    """Medians, and how many times as long the faster of the plain ways took."""
    for way in WAYS:
        times = [row["ms"] for row in state.of("time", bench.questions.name, f"{DOCUMENTS} documents", way).values()]
        if not times:
            continue
        medians = {name: float(np.median([each[name] for each in times])) for name in times[0]}
        best = min((BY_DOCUMENT, BY_ROLE), key=lambda name: medians[name])
        ratios = [each[best] / each["ours"] for each in times]
        low, high = interval(ratios, of=np.median)
        row: dict[str, Any] = {"judge": way, "questions": len(times), **medians}
        yield row | {"x": float(np.median(ratios)), "low": low, "high": high, "beside": best}
