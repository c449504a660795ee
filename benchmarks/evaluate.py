"""What an evaluation costs beside what its graphs do: ten variants that differ after the retrieval, and one alone.

Beside `evaluate`, each graph is simply invoked. "One retrieval and the tails" is the retrieval's time once, and of each
variant what its run took without it. Both ways take turns, question by question, in another order each time; a ratio
compares the two on one question. The graphs keep 2 to 11 of 20 passages, weigh their sentences and quote.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import data
import numpy as np
from ragloom import Corpus
from ragloom.rag.evaluate import Dataset, Question, read_dataset
from ragloom.rag.evaluate.evaluating import Experiment
from ragloom.rag.evaluate.graphs import named, opened
from ragloom.rag.evaluate.log import RunLog
from ragloom.rag.evaluate.result import Result
from ragloom.rag.evaluate.shared import SharedResults
from ragloom.rag.graph import RagGraph
from ragloom.stores.types import Chunk
from report import interval, need, write

VARIANTS = 10
LIMITS = {"ten variants, x of one retrieval and the tails": 1.1, "one graph, x of invoking it": 1.03}


def main() -> None:
    parser = data.parser(__doc__)
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--documents", type=int, default=500)
    options = parser.parse_args()
    dataset = read_dataset(need(options.data / "scifact"), split="test", limit=options.questions)
    with tempfile.TemporaryDirectory() as folder, Corpus(Path(folder, "index")) as corpus:
        sources = dataset.documents[: options.documents]
        corpus.add([Chunk.from_text(source.text, id=source.id, title=source.title) for source in sources])
        rows = _measure(dataset, corpus, Path(folder))
    write("evaluate", rows, limits=LIMITS, options={"questions": len(dataset), "documents": len(sources)})


def variant(keep: int) -> dict[str, Any]:
    nodes = {
        "retrieve": {"use": "hybrid", "k": 20},
        "fuse": {"use": "rrf", "of": ["retrieve"], "keep": keep},
        "evidence": {"use": "gather"},
        "quote": {"use": "quote", "passages": 1},
    }
    return {"nodes": nodes, "flow": ["start -> retrieve -> fuse -> evidence -> quote -> end"]}


def _measure(dataset: Dataset, corpus: Corpus, folder: Path) -> list[dict[str, Any]]:
    graphs = {f"keep {keep}": variant(keep) for keep in range(2, 2 + VARIANTS)}
    first = {"keep 11": graphs["keep 11"]}
    plain = {name: RagGraph(written, corpus=corpus) for name, written in graphs.items()}
    ten: list[tuple[float, float]] = []
    one: list[tuple[float, float]] = []
    with (
        opened(named(graphs), shared := SharedResults(), corpus=corpus) as all_of_them,
        opened(named(first), alone := SharedResults(), corpus=corpus) as one_of_them,
        RunLog(folder / "ten.jsonl") as log,
        RunLog(folder / "one.jsonl") as log_alone,
    ):
        together, single = Experiment(all_of_them, shared, log), Experiment(one_of_them, alone, log_alone)
        for question in dataset.questions:
            ten.append(_in_turn(lambda q: _evaluated(together, q), lambda q: _invoked(plain, q), question))
            graph = {name: plain[name] for name in first}
            one.append(_in_turn(lambda q: _evaluated(single, q), lambda q, g=graph: _invoked(g, q), question))
        started = time.perf_counter()
        Result.of(dataset, log.records)
        measuring = time.perf_counter() - started
    for graph in plain.values():
        graph.close()
    whole = sum(own for own, _ in ten[1:])
    return [
        _row("ten variants, x of one retrieval and the tails", ten[1:]),
        _row("one graph, x of invoking it", one[1:]),
        {"what": "measuring, of the whole run", "x": measuring / (whole + measuring), "seconds": measuring},
    ]


def _in_turn(
    ours: Callable[[Question], float], plain: Callable[[Question], float], question: Question
) -> tuple[float, float]:
    """Seconds of both, in a random order."""
    if random.Random(question.id).random() < 0.5:
        return ours(question), plain(question)
    expected = plain(question)
    return ours(question), expected


def _evaluated(experiment: Experiment, question: Question) -> float:
    started = time.perf_counter()
    list(experiment.runs([question]))
    return time.perf_counter() - started


def _invoked(graphs: dict[str, RagGraph], question: Question) -> float:
    """Seconds of one retrieval and of each graph's run without it."""
    retrievals, tails = [], []
    for graph in graphs.values():
        started = time.perf_counter()
        state = graph.invoke(question.text)
        seconds = time.perf_counter() - started
        retrievals.append(state.trace[0].milliseconds / 1000)
        tails.append(seconds - retrievals[-1])
    return float(np.mean(retrievals)) + sum(tails)


def _row(what: str, pairs: list[tuple[float, float]]) -> dict[str, Any]:
    ratios = [own / expected for own, expected in pairs]
    low, high = interval(ratios, of=np.median)
    seconds = float(np.median([own for own, _ in pairs]))
    return {"what": what, "x": float(np.median(ratios)), "low": low, "high": high, "seconds": seconds}


if __name__ == "__main__":
    main()
