"""Rerankers beside each other: same candidates, same model, one table, and what may be claimed of ICR.

Everything is measured once and written to `--state`; a run that was killed goes on, and the whole, which takes many
hours, can be done part by part (`--part`, `--set`, `--method`, `--limit`). Report on `test`; choose on `train`.

- times: 30 queries of each set, all methods in turn, each reading another query, so that none finds what another one
  has just read. Beside them ICR in `transformers`, for 10 of the queries. The KV of `ICR cached` is made before, and
  its time told apart; it comes from disk, or from what the system keeps of it in memory
- quality: all queries. All kinds of ICR come from one read of the passages together and one of each on its own
- permutation: 10 queries, candidates shuffled three times
- words: 30 queries, five documents each; the five words that drew most attention are taken out, or five others
- memory: most that a process of its own had, for one query
"""

from __future__ import annotations

import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import data
from ragloom import load
from ragloom.rag.llm.attention.document_kv import DocumentKV
from ragloom.rag.rerank import IcrReranker, Reranker
from ragloom.rag.rerank.heads import model_digest
from report import table, write
from rerank_checks import by_id, in_memory, peak, permutation, words
from rerank_data import TIMED, Asked, QuerySet, Task, query_sets
from rerank_methods import CACHED, FIRST, ICR, TRANSFORMERS, Method, Methods
from rerank_state import Key, State
from rerank_table import checks, rows, weights

PARTS = ("times", "quality", "permutation", "words", "memory")
FEWER = 10
"""Queries for what takes longest: the baseline, the times of the set with 100 documents, shuffled candidates."""
EXPLAINED = {CACHED: 30, ICR: 5}
"""Queries whose words are taken out, of those that tell words."""

SHUFFLED = (CACHED, ICR, FIRST)


@dataclass
class Work:
    """What there is to do, and what is done."""

    state: State
    sets: list[QuerySet]
    methods: Methods
    choosing: bool
    model: str
    only: Sequence[str] | None = None

    def wanted(self, methods: Sequence[Method]) -> list[Method]:
        return [method for method in methods if self.only is None or method.name in self.only]

    def measure(self, key: Key, what: Callable[..., dict[str, Any]], *given: Any) -> None:
        """Measure it if it was not."""
        if key not in self.state:
            started = time.perf_counter()
            self.state.add(key, **what(*given))
            print(*filter(None, key), f"{time.perf_counter() - started:.1f} s", flush=True)


def main() -> None:
    options = data.parser(__doc__)
    _add(options)
    given = options.parse_args()
    with load(given.model) as llm:
        digest = model_digest(llm.engine.file)
        path = given.state or Path(tempfile.gettempdir()) / "ragloom-rerank" / f"{digest[:12]}.jsonl"
        sets = query_sets(given.data, given.split, index=given.index, store=path.parent)
        sets = [each.shortened(given.limit, given.documents) for each in sets]
        work = Work(
            State(path),
            [each for each in sets if given.set is None or any(each.name.startswith(name) for name in given.set)],
            Methods(llm, path.parent, given.cross_encoder),
            given.split == "train",
            given.model,
            given.method,
        )
        if not given.report:
            for part in given.part or PARTS:
                DO[part](work)
        _tell(work, given, llm.engine.file.name)


def _add(options: ArgumentParser) -> None:
    folder = Path(tempfile.gettempdir())
    options.add_argument("--split", default="test", choices=("train", "test"))
    options.add_argument("--index", type=Path, default=folder / "ragloom-scifact")
    options.add_argument("--model", default="embedded")
    options.add_argument("--state", type=Path, help="file of what was measured; default: one for each model")
    options.add_argument("--cross-encoder", type=Path, help="folder of one")
    options.add_argument("--part", choices=PARTS, action="append")
    options.add_argument("--set", action="append", help="beginning of a set's name, such as 'scifact 20'")
    options.add_argument("--method", action="append", help="name of a method, such as FIRST")
    options.add_argument("--limit", type=int, help="queries of each set")
    options.add_argument("--documents", type=int, help="documents of each query")
    options.add_argument("--report", action="store_true", help="measure nothing")


def _times(work: Work) -> None:
    methods = work.wanted(work.methods.timed())
    for each in work.sets:
        timed = each.asked[: FEWER if each.long else TIMED]
        rerankers = {method.name: method.make(each.task) for method in methods}
        warm: set[str] = set()
        for turn in range(len(timed)):
            for at, method in enumerate(methods):
                number = (turn + 3 * at) % len(timed)
                key = Key("times", each.name, method.name, method.setting, timed[number].id)
                if key in work.state or number >= _wanted_of(method, each):
                    continue
                if method.name not in warm:
                    rerankers[method.name].rank("Which is warm?", ["The sun is warm.", "Snow is cold."])
                    warm.add(method.name)
                if method.name == CACHED:
                    _fill(work, key, rerankers[CACHED], timed[number])
                work.measure(key, _rank, rerankers[method.name], timed[number])


def _wanted_of(method: Method, each: QuerySet) -> int:
    """How many of the timed queries."""
    if method.name in TRANSFORMERS:
        return 0 if each.long else FEWER
    return FEWER if each.long else TIMED


def _rank(reranker: Reranker, asked: Asked) -> dict[str, Any]:
    started = time.perf_counter()
    ranking = reranker.rank(asked.query, asked.documents)
    ms = (time.perf_counter() - started) * 1000
    told = {"ms": round(ms, 2), "evaluated": ranking.evaluated, "reused": ranking.reused, "notes": ranking.notes}
    return {"scores": by_id(ranking), **told}


def _fill(work: Work, key: Key, reranker: Reranker, asked: Asked) -> None:
    """Put the KV of the documents on disk, as an index would."""
    assert isinstance(reranker, IcrReranker)
    assert isinstance(reranker.cached, DocumentKV)
    before = reranker.cached.stats().misses
    ms = _rank(reranker, asked)["ms"]
    if new := reranker.cached.stats().misses - before:
        work.state.add(key._replace(part="index"), ms=ms, new=new)


def _quality(work: Work) -> None:
    shared = work.wanted(work.methods.shared(choosing=work.choosing))
    alone = work.wanted(work.methods.generative())
    for each in work.sets:
        for asked in each.asked:
            for method in [*shared, *alone]:
                key = Key("quality", each.name, method.name, method.setting, asked.id)
                if method in shared or key._replace(part="times") not in work.state:
                    work.measure(key, _scored, method, each.task, asked)


def _scored(method: Method, task: Task, asked: Asked) -> dict[str, Any]:
    return {"scores": by_id(method.make(task).rank(asked.query, asked.documents))}


def _permutation(work: Work) -> None:
    methods = [method for method in work.wanted(work.methods.timed()) if method.name in SHUFFLED]
    for each in work.sets[:1]:
        for method in methods:
            attention = method.name in EXPLAINED
            made = in_memory(work.methods.llm, each.task, method.name) if attention else method.make(each.task)
            for asked in each.asked[:FEWER]:
                key = Key("permutation", each.name, method.name, method.setting, asked.id)
                work.measure(key, permutation, made, asked)


def _words(work: Work) -> None:
    for each in work.sets[:1]:
        for method in work.wanted(work.methods.timed()):
            if method.name in EXPLAINED:
                made = in_memory(work.methods.llm, each.task, method.name, explain=True)
                for asked in each.asked[: EXPLAINED[method.name]]:
                    key = Key("words", each.name, method.name, method.setting, asked.id)
                    work.measure(key, words, made, asked)


def _memory(work: Work) -> None:
    for each in work.sets[:1]:
        asked = each.asked[0]
        for method in work.wanted(work.methods.timed()):
            key = Key("memory", each.name, method.name, method.setting, asked.id)
            work.measure(key, peak, work.model, work.methods, method.name, each.task, asked)


DO: dict[str, Callable[[Work], None]] = {
    "times": _times,
    "quality": _quality,
    "permutation": _permutation,
    "words": _words,
    "memory": _memory,
}


def _tell(work: Work, given: Namespace, model: str) -> None:
    """Write the table if all of it is there, else print what is."""
    methods = [*work.methods.generative(), *work.methods.shared(choosing=work.choosing)]
    made = [row for each in work.sets for row in rows(work.state, each, methods)]
    checked = [row for each in work.sets for row in checks(work.state, each, methods)]
    print(table(checked))
    if work.choosing:
        print(table([row for each in work.sets for row in weights(work.state, each, methods)]))
    for name, why in work.methods.skipped.items():
        print(f"{name} is left out: {why}")
    partial = [given.limit, given.documents, given.set, given.method, given.part]
    missing = _missing(work)
    for line in islice(missing, 12):
        print(f"missing: {line}")
    if missing or work.choosing or any(partial):
        print(table(made))
    else:
        write("rerank", made, checks=checked, model=model, skipped=work.methods.skipped)


def _missing(work: Work) -> list[str]:
    """Parts of which some results are not there."""
    found = []
    timed, alone = work.methods.timed(), work.methods.generative()
    shared = work.methods.shared(choosing=work.choosing)
    for each in work.sets:
        wanted = [("times", method, _wanted_of(method, each)) for method in timed]
        wanted += [("quality", method, len(each.asked)) for method in [*shared, *alone]]
        if each is work.sets[0]:
            wanted += [("permutation", method, FEWER) for method in timed if method.name in SHUFFLED]
            wanted += [("words", method, EXPLAINED[method.name]) for method in timed if method.name in EXPLAINED]
            wanted += [("memory", method, 1) for method in timed]
        for part, method, number in wanted:
            there = {*work.state.of(part, each.name, method.name, method.setting)}
            if part == "quality" and method in alone:
                there |= {*work.state.of("times", each.name, method.name, method.setting)}
            expected = min(number, len(each.asked))
            if len(there) < expected:
                found.append(f"{part} of {each.name}, {method.name}: {len(there)} of {expected}")
    return found


if __name__ == "__main__":
    main()
