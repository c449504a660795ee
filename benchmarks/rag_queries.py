"""What moving the query's vector brings on SciFact: HyDE and feedback, each beside plain hybrid search.

Everything is measured once a query and written to `--state`, so that a run that was killed goes on. On `train` all
settings are tried, to choose from; on `test` those of `TESTED`. Queries on which the attention heads
of the embedded LLM were found are left out of `train`.

- hyde: eight passages a query, of which the first n count
- feedback: Rocchio, with dense or hybrid search before and after it
- reranker feedback: ICR ranks the first 20, reads the first words of each, and its scores move the vector
"""

from __future__ import annotations

import random
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product
from pathlib import Path
from typing import Any

import data
import ir_measures
import numpy as np
from ir_measures import R, nDCG
from langchain_core.documents import Document
from numpy.typing import NDArray
from ragloom import Corpus, load
from ragloom.rag.llm import ChatModel
from ragloom.rag.rerank import IcrReranker
from ragloom.rag.rerank.heads import model_digest
from ragloom.rag.rerank.labelled import read_labelled
from ragloom.rag.retrieve import Feedback, Hyde, RerankerFeedback, Rocchio
from ragloom.settings import read_settings
from ragloom.stores.types import Chunk
from report import interval, table, write
from rerank_data import HEADS_FOUND_ON, WORDS
from rerank_methods import CACHED, CHOSEN, WEIGHTS
from rerank_state import Key, State

BASELINE = ("hybrid", "")
TESTED = {
    "hyde claim, n=1, hybrid",
    "hyde claim, n=8, dense",
    "hyde claim, n=8, hybrid",
    "feedback beta=0.2, depth=1, hybrid, hybrid",
    "feedback beta=0.6, depth=3, dense, dense",
    "feedback beta=0.6, depth=3, hybrid, hybrid",
    "reranker feedback steps=10, dense",
    "reranker feedback steps=20, hybrid",
}
"""What `test` is for: of each method the best on the first 60 queries of `train`, and what its paper does."""

DEEP = 100
PASSAGES = 8
MEASURES = {"nDCG@10": nDCG @ 10, "R@100": R @ 100}


@dataclass(frozen=True)
class Method:
    """A way to search: what it is called, its setting, and the ids that it finds for a query's id."""

    name: str
    setting: str
    find: Callable[[str], list[str]]


@dataclass
class Bench:
    """What is searched, with what, and what was found so far."""

    corpus: Corpus
    llm: ChatModel
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]
    state: State
    split: str

    def methods(self) -> Iterator[Method]:
        """Those that are compared; on `train` with all settings."""
        yield Method(*BASELINE, self._plain("hybrid"))
        yield Method("dense", "", self._plain("dense"))
        for method in self._moving():
            if self.split == "train" or f"{method.name} {method.setting}" in TESTED:
                yield method

    def _moving(self) -> Iterator[Method]:
        for task, n, mode in product(["claim", "web"], [1, 4, 8], ["dense", "hybrid"]):
            yield Method("hyde", f"{task}, n={n}, {mode}", partial(self._hyde, task, n, mode))
        for mix, depth in product([0.2, 0.4, 0.6], [1, 3, 5]):
            by = Rocchio(alpha=1 - mix, beta=mix, depth=depth)
            for before, after in (
                product(["dense", "hybrid"], repeat=2) if (mix, depth) == (0.6, 3) else [["hybrid"] * 2]
            ):
                setting = f"beta={mix}, depth={depth}, {before}, {after}"
                yield Method("feedback", setting, partial(self._feedback, by, before, after))
        for steps, after in product([10, 20, 40], ["dense", "hybrid"]):
            by_scores = RerankerFeedback(steps=steps)
            yield Method("reranker feedback", f"steps={steps}, {after}", partial(self._reranked, by_scores, after))

    def _search(self, query: str, vector: NDArray[np.float32] | None, mode: Any, k: int = DEEP) -> list[str]:
        return [str(hit.document.id) for hit in self.corpus.search(query, vector=vector, k=k, mode=mode)]

    def _plain(self, mode: str) -> Callable[[str], list[str]]:
        return lambda key: self._search(self.queries[key], None, mode)

    def _hyde(self, task: str, n: int, mode: str, key: str) -> list[str]:
        wanted = Key("passages", self.split, "hyde", task, key)
        if wanted not in self.state:
            started = time.perf_counter()
            hyde = Hyde(llm=self.llm, embedder=self.corpus.embedder, n=PASSAGES, task=task)  # type: ignore[arg-type]
            passages = hyde.invoke(self.queries[key]).made_from
            self.state.add(wanted, passages=passages, ms=(time.perf_counter() - started) * 1000)
        passages = self.state[wanted]["passages"]
        embedder = self.corpus.embedder
        own = embedder.encode_query(self.queries[key])
        return self._search(self.queries[key], np.vstack([own, embedder.encode(passages[:n])]).mean(axis=0), mode)

    def _feedback(self, by: Feedback, before: str, after: str, key: str) -> list[str]:
        ids = self._search(self.queries[key], None, before, by.depth)
        return self._moved(by, ids, [1 / rank for rank in range(1, len(ids) + 1)], after, key)

    def _reranked(self, by: Feedback, after: str, key: str) -> list[str]:
        wanted = Key("reranked", self.split, "icr", f"{WORDS} words", key)
        if wanted not in self.state:
            started = time.perf_counter()
            found = self.corpus.get(self._search(self.queries[key], None, "hybrid", by.depth))
            ranking = self._reranker.rank(self.queries[key], [_beginning(document) for document in found])
            scores = [[str(each.document.id), each.score] for each in ranking]
            self.state.add(wanted, scores=scores, ms=(time.perf_counter() - started) * 1000)
        scores = self.state[wanted]["scores"]
        return self._moved(by, [each for each, _ in scores], [score for _, score in scores], after, key)

    @cached_property
    def _reranker(self) -> IcrReranker:
        return IcrReranker(llm=self.llm, task="search", **CHOSEN[CACHED], cached=True, first_stage=WEIGHTS[CACHED])

    def _moved(self, by: Feedback, ids: list[str], scores: list[float], after: str, key: str) -> list[str]:
        own = self.corpus.embedder.encode_query(self.queries[key])
        return self._search(self.queries[key], by.move(own, self.corpus.vectors(ids), scores), after)

    def measure(self, method: Method) -> None:
        """Search for every query that this method has not been measured on."""
        for key in self.queries:
            wanted = Key("quality", self.split, method.name, method.setting, key)
            if wanted not in self.state:
                run = {key: {found: 1.0 / rank for rank, found in enumerate(method.find(key), start=1)}}
                values = ir_measures.iter_calc(list(MEASURES.values()), {key: self.qrels[key]}, run)
                self.state.add(wanted, **{str(value.measure): value.value for value in values})

    def row(self, method: Method) -> dict[str, Any]:
        """The means of a method, and the 95% interval of what it has more than hybrid search, query by query."""
        own, base = (self.state.of("quality", self.split, *each) for each in ((method.name, method.setting), BASELINE))
        row: dict[str, Any] = {"method": method.name, "setting": method.setting, "queries": len(self.queries)}
        for name in MEASURES:
            values, others = (np.array([each[key][name] for key in self.queries]) for each in (own, base))
            low, high = interval(values - others)
            more = {"more": float((values - others).mean()), "low": low, "high": high}
            row |= {name: float(values.mean()), **{f"{each} {name}": value for each, value in more.items()}}
        return row


def _beginning(document: Document) -> Document:
    return document.model_copy(update={"page_content": " ".join(document.page_content.split()[:WORDS])})


def main() -> None:
    given = _options()
    texts, queries, qrels = data.scifact(given.data, given.split)
    corpus = Corpus(given.index)
    if len(corpus) != len(texts):
        corpus.add([Chunk.from_text(text, id=key) for key, text in texts.items()])
    order = sorted(queries)
    random.Random(0).shuffle(order)
    if given.split == "train":
        seen = {each.query for each in read_labelled(given.data / "scifact", **HEADS_FOUND_ON)}
        order = [key for key in order if queries[key] not in seen]
    with load(given.model) as llm:
        folder = read_settings().cache / "benchmarks" / "queries"
        state = State(given.state or folder / f"{model_digest(llm.engine.file)[:12]}.jsonl")
        print(state)
        chosen = {key: queries[key] for key in order[: given.limit]}
        bench = Bench(corpus, llm, chosen, qrels, state, given.split)
        methods = [each for each in bench.methods() if given.method in (None, each.name) or each.name == BASELINE[0]]
        for method in methods:
            bench.measure(method)
            print(method.name, method.setting, flush=True)
    rows = [bench.row(method) for method in methods]
    if given.limit or given.method:
        print(table(rows))
    else:
        write(f"rag_queries_{given.split}", rows, options={"model": given.model, "passages": PASSAGES})


def _options() -> Namespace:
    options = data.parser(__doc__)
    options.add_argument("--split", default="test", choices=("train", "test"))
    options.add_argument("--index", type=Path, default=Path(tempfile.gettempdir()) / "ragloom-scifact")
    options.add_argument("--model", default="embedded")
    options.add_argument("--state", type=Path, help="file of what was measured; default: one for each model")
    options.add_argument("--limit", type=int, help="so many queries")
    options.add_argument("--method", help="this one alone, and hybrid search")
    return options.parse_args()


if __name__ == "__main__":
    main()
