"""What `rerank.py` measures, as jobs: each has a key, and is done once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from jobs import Job
from listwise import ListwiseReranker
from ragloom.rag.llm.attention.document_kv import DocumentKV
from ragloom.rag.rerank import FirstReranker, Reranker
from rerank_checks import by_id, in_memory, peak, permutation, words
from rerank_data import TIMED, Asked, QuerySet, Task
from rerank_methods import CACHED, COLD, FIRST, ICR, TRANSFORMERS, Method, Methods
from rerank_state import Key

FEWER = 10
"""Queries for what takes longest: the baseline, the times of the set with 100 documents, shuffled candidates."""

EXPLAINED = {CACHED: 10, ICR: 3}
"""Queries whose words are taken out, of the methods that tell words."""

SHUFFLED = (CACHED, ICR, FIRST)


@dataclass
class Bench:
    """What is measured, and with what."""

    sets: list[QuerySet]
    methods: Methods
    choosing: bool
    model: str
    only: Collection[str] | None = None
    _made: dict[tuple[str, str, Task], Reranker] = field(default_factory=dict)

    def wanted(self, methods: Sequence[Method]) -> list[Method]:
        return [method for method in methods if self.only is None or method.name in self.only]

    def made(self, method: Method, task: Task) -> Reranker:
        """The reranker, after it has ranked something, so that nothing is loaded while its time is taken."""
        key = (method.name, method.setting, task)
        if key not in self._made:
            self._made[key] = method.make(task)
            self._made[key].rank("Which is warm?", ["The sun is warm.", "Snow is cold."])
        return self._made[key]

    def forget(self) -> None:
        """Let go of the rerankers, and of the models that they hold."""
        self._made.clear()


def times(bench: Bench) -> Iterator[Job]:
    """All methods in turn, each with another query, so that none finds what another one has just read."""
    methods = bench.wanted(bench.methods.timed())
    for each in bench.sets:
        if each.whole:
            continue
        turns = FEWER if each.long else TIMED
        for turn in range(turns):
            for at, method in enumerate(methods):
                number = (turn + 3 * at) % turns
                baseline = method.name in TRANSFORMERS
                if number < len(each.asked) and not (baseline and (each.long or number >= FEWER)):
                    asked = each.asked[number]
                    key = Key("times", each.name, method.name, method.setting, asked.id)
                    yield Job(key, partial(_timed, bench, method, each, asked))


def _timed(bench: Bench, method: Method, among: QuerySet, asked: Asked) -> dict[str, Any]:
    reranker = bench.made(method, among.task)
    kept = getattr(reranker, "cached", None)
    if not isinstance(kept, DocumentKV):
        return ranked(reranker, asked)
    other = next(each.query for each in among.asked if each.id != asked.id)
    told = filled(reranker, kept, replace(asked, query=other))
    if method.name == COLD:
        forget_pages(bench.methods.documents)
    return {**ranked(reranker, asked), **told}


def ranked(reranker: Reranker, asked: Asked) -> dict[str, Any]:
    """The scores, and what they cost: where nothing is read of attention, the engine has counted the tokens."""
    engine = reranker.llm.engine if isinstance(reranker, FirstReranker | ListwiseReranker) else None
    before = engine and engine.stats()
    started = time.perf_counter()
    ranking = reranker.rank(asked.query, asked.documents)
    ms = (time.perf_counter() - started) * 1000
    told = {"evaluated": ranking.evaluated, "reused": ranking.reused, "decoded": 0}
    if engine and before:
        after = engine.stats()
        told["evaluated"] = after.prefilled - before.prefilled
        told["reused"] = after.reused - before.reused
        told["decoded"] = after.decoded - before.decoded
    return {"scores": by_id(ranking), "ms": round(ms, 2), **told, "notes": ranking.notes}


def filled(reranker: Reranker, kept: DocumentKV, asked: Asked) -> dict[str, Any]:
    """Put the KV of the documents on disk, as an index would; what that took."""
    before = kept.stats().misses
    ms = ranked(reranker, asked)["ms"]
    return {"filling ms": ms, "filled": kept.stats().misses - before}


def forget_pages(folder: Path) -> None:
    """Let the system forget what it holds of these files, so that the next read comes from the disk."""
    os.sync()
    for path in folder.iterdir():
        handle = os.open(path, os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def quality(bench: Bench) -> Iterator[Job]:
    """All queries. All kinds of ICR come from one read of the passages together and one of each on its own."""
    shared = bench.wanted(bench.methods.shared(choosing=bench.choosing))
    alone = bench.wanted(bench.methods.alone())
    for each in bench.sets:
        for asked in each.asked:
            for method in [*shared, *alone]:
                key = Key("quality", each.name, method.name, method.setting, asked.id)
                timed = None if method in shared else key._replace(part="times")
                yield Job(key, partial(_scored, method, each.task, asked), timed)


def _scored(method: Method, task: Task, asked: Asked) -> dict[str, Any]:
    return {"scores": by_id(method.make(task).rank(asked.query, asked.documents))}


def permutations(bench: Bench) -> Iterator[Job]:
    """Candidates shuffled three times; of 100 documents for `cached` only, where nothing may change."""
    for each in bench.sets:
        for method in bench.wanted(bench.methods.timed()):
            if method.name in SHUFFLED and not each.whole and (method.name == CACHED or not each.long):
                for asked in each.asked[: 2 if each.long else FEWER]:
                    key = Key("permutation", each.name, method.name, method.setting, asked.id)
                    yield Job(key, partial(_permutation, bench, method, each.task, asked))


def _permutation(bench: Bench, method: Method, task: Task, asked: Asked) -> dict[str, Any]:
    made = method.make(task) if method.name == FIRST else in_memory(bench.methods, task, method.name)
    return permutation(made, asked)


def named_words(bench: Bench) -> Iterator[Job]:
    """The five words that drew most attention are taken out of each document, or others of as many tokens."""
    for each in bench.sets[:1]:
        for method in bench.wanted(bench.methods.timed()):
            for asked in each.asked[: EXPLAINED.get(method.name, 0)]:
                key = Key("words", each.name, method.name, method.setting, asked.id)
                yield Job(key, partial(_words, bench, method, each.task, asked))


def _words(bench: Bench, method: Method, task: Task, asked: Asked) -> dict[str, Any]:
    return words(in_memory(bench.methods, task, method.name, explain=True), asked)


def memory(bench: Bench) -> Iterator[Job]:
    """Most that a process of its own had, for one query."""
    for each in bench.sets[:1]:
        asked = each.asked[0]
        for method in bench.wanted(bench.methods.timed()):
            if method.name in (COLD, *TRANSFORMERS):
                continue  # the same one; and beside what the engine holds
            key = Key("memory", each.name, method.name, method.setting, asked.id)
            yield Job(key, partial(peak, bench.model, bench.methods, method.name, each.task, asked))


PARTS: dict[str, Callable[[Bench], Iterator[Job]]] = {
    "times": times,
    "quality": quality,
    "permutation": permutations,
    "words": named_words,
    "memory": memory,
}
