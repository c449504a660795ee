"""MAIN-RAG over 16 documents, and the same prompts one after the other by llama-cpp-python's `Llama`, in turns.

`Llama` goes on from what a prompt has in common with the one before. So there are two orders in which one would call
it: the roles one after the other, as in the paper, and the documents one after the other, where the judge's prompt goes
on from the predictor's. `Llama`'s own way to a log-probability is a model with `logits_all`, and it is dear: each call
sorts the whole vocabulary in Python, and takes the logarithms for every token of the prompt. Who wants speed keeps to
one model, with flash attention as ours has it, and reads the last token's logits from llama.cpp. The fastest counts.
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
from ragloom.agents.judge import log_odds
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
BY_LAST_LOGITS = "Llama, document by document, last logits"
BY_DOCUMENT, BY_ROLE = "Llama, document by document, logits_all", "Llama, role by role, logits_all"
PLAIN = (BY_LAST_LOGITS, BY_DOCUMENT, BY_ROLE)
SETTING = f"{DOCUMENTS} documents, beside {len(PLAIN)} plain orders"


def time_jobs(bench: Bench) -> Iterator[Job]:
    """All ways to call on one question, in an order that changes with the question.

    The judges take their turns on all questions, so that neither finds what the other has just read.
    """
    plain: dict[str, Any] = {}
    for way in WAYS:
        for turn, asked in enumerate(bench.questions.asked[:QUESTIONS]):
            key = Key("time", bench.questions.name, SETTING, way, asked.id)
            yield Job(key, partial(_timed, bench, way, asked, turn, plain))


def _timed(bench: Bench, way: Way, asked: Asked, turn: int, plain: dict[str, Any]) -> dict[str, Any]:
    assert isinstance(bench.llm, ChatLocal)
    if not plain:
        plain.update(opened(str(bench.llm.engine.file.path)))
    calls = Calls(bench.llm, way, asked, plain)
    ways: dict[str, Callable[[], object]] = {
        "ours": lambda: bench.agents(way).filter(asked.query, asked.documents[:DOCUMENTS]),
        BY_LAST_LOGITS: calls.by_last_logits,
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


def opened(file: str) -> dict[str, Any]:
    """The models of the plain ways: one that is read from directly, one that predicts, one that keeps all logits."""
    from llama_cpp import Llama  # after ragloom, which has its threads sleep where they would spin

    threads = read_settings().threads
    options = {"n_ctx": ROOM, "n_threads": threads, "n_threads_batch": threads, "verbose": False}
    return {
        "direct": Llama(file, flash_attn=True, **options),
        "predicting": Llama(file, **options),
        "judging": Llama(file, logits_all=True, **options),
    }


class Calls:
    """The agents as plain calls: the same prompts, in tokens."""

    def __init__(self, llm: ChatLocal, way: Way, asked: Asked, plain: dict[str, Any]) -> None:
        self._question = asked.query
        self._texts = [str(Passage.of(document)) for document in asked.documents[:DOCUMENTS]]
        self._template = ChatTemplate(llm.engine.weights)
        self._predictor, self._judge = Predictor(llm=llm), Judge(llm=llm, way=way)
        within = llm.engine.weights.tokenize_within
        self._words = [[within(each)[0] for each in llm.spellings(word)] for word in ("yes", "no")]
        self._plain = plain

    def by_last_logits(self) -> list[float]:
        """The score of each document, as ours is."""
        return [self.scored(text, self._predicted(text, "direct")) for text in self._texts]

    def by_document(self) -> list[Any]:
        return [self._judged(text, self._predicted(text, "judging")) for text in self._texts]

    def by_role(self) -> list[Any]:
        predictions = [self._predicted(text, "predicting") for text in self._texts]
        return [self._judged(text, prediction) for text, prediction in zip(self._texts, predictions, strict=True)]

    def _predicted(self, text: str, model: str) -> str:
        prompt = self._template.prompt(to_turns(self._predictor.messages(self._question, text))).tokens
        answer = self._plain[model].create_completion(prompt, max_tokens=MAX_PREDICTION_TOKENS, temperature=0)
        return str(answer["choices"][0]["text"]).strip()

    def _judging(self, text: str, prediction: str) -> list[int]:
        return self._template.answer_begun(to_turns(self._judge.messages(self._question, text, prediction)))

    def _judged(self, text: str, prediction: str) -> Any:
        prompt = self._judging(text, prediction)
        return self._plain["judging"].create_completion(prompt, max_tokens=1, temperature=0, logprobs=20)

    def scored(self, text: str, prediction: str) -> float:
        """The Judge's score of a document, from the last token's logits alone."""
        import llama_cpp

        model = self._plain["direct"]
        next(model.generate(self._judging(text, prediction), temp=0))
        row = llama_cpp.llama_get_logits_ith(model.ctx, -1)
        logits = np.ctypeslib.as_array(row, (model.n_vocab(),)).astype(np.float64)
        likely = logits - np.logaddexp.reduce(logits)
        return log_odds(*(likely[tokens] for tokens in self._words)).score


def time_rows(state: State, bench: Bench) -> Iterator[dict[str, Any]]:
    """Medians, and how many times as long as ours the fastest of the plain ways took."""
    for way in WAYS:
        times = [row["ms"] for row in state.of("time", bench.questions.name, SETTING, way).values()]
        if not times:
            continue
        medians = {name: float(np.median([each[name] for each in times])) for name in times[0]}
        best = min(PLAIN, key=lambda name: medians[name])
        ratios = [each[best] / each["ours"] for each in times]
        low, high = interval(ratios, of=np.median)
        row: dict[str, Any] = {"judge": way, "questions": len(times), **medians}
        yield row | {"x": float(np.median(ratios)), "low": low, "high": high, "beside": best}
