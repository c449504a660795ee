"""What an evaluation costs beside what its graphs do, and what ten variants cost that differ after the retrieval.

Both ways take turns, question by question, each as often first as second; a ratio compares them on one question.

- ten variants: the graphs keep 2 to 11 of 20 passages, weigh their sentences and quote; beside that each is invoked
  alone, of which the retrieval's time is counted once, and of each variant what its run took without it
- overhead: the preset `default` with the embedded LLM, evaluated as `ragloom eval` does it, with its file of runs,
  measures, table and page, beside the same graph invoked; each with an LLM of its own, so that neither finds in the
  cache what the other has read. What comes after the runs is spread over the questions.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import data
import numpy as np
from numpy.typing import NDArray
from ragloom import Corpus, load
from ragloom.rag.evaluate import Dataset, Given, Question, read_dataset
from ragloom.rag.evaluate.experiment import Experiment
from ragloom.rag.evaluate.graphs import named, opened
from ragloom.rag.evaluate.log import RunLog
from ragloom.rag.evaluate.result import Result
from ragloom.rag.evaluate.shared import SharedResults
from ragloom.rag.graph import RagGraph
from ragloom.stores.types import Chunk
from report import interval, need, write

VARIANTS = 10
TEN, OVERHEAD = "ten variants, x of one retrieval and the tails", "an evaluation with its report, x of invoking"
LIMITS = {TEN: 1.1, OVERHEAD: 1.03}

Floats = NDArray[np.float64]

Pair = tuple[float, float]
"""Seconds of ours and of what it is compared with."""


def main() -> None:
    parser = data.parser(__doc__)
    parser.add_argument("--questions", type=int, default=30, help="for the ten variants")
    parser.add_argument("--written", type=int, default=100, help="questions that the LLM answers")
    parser.add_argument("--documents", type=int, default=500)
    options = parser.parse_args()
    dataset = read_dataset(need(options.data / "scifact"), split="test")
    with tempfile.TemporaryDirectory() as folder, Corpus(Path(folder, "index")) as corpus:
        sources = dataset.documents[: options.documents]
        corpus.add([Chunk.from_text(source.text, id=source.id, title=source.title) for source in sources])
        rows = [_ten_variants(dataset.sample(options.questions), corpus, Path(folder))]
        rows += _overhead(dataset.sample(options.written), corpus, Path(folder))
    chosen = {"questions": options.questions, "written": options.written, "documents": len(sources)}
    write("evaluate", rows, limits=LIMITS, options=chosen)


def variant(keep: int) -> dict[str, Any]:
    nodes = {
        "retrieve": {"use": "hybrid", "k": 20},
        "fuse": {"use": "rrf", "of": ["retrieve"], "keep": keep},
        "evidence": {"use": "gather"},
        "quote": {"use": "quote", "passages": 1},
    }
    return {"nodes": nodes, "flow": ["start -> retrieve -> fuse -> evidence -> quote -> end"]}


def _ten_variants(dataset: Dataset, corpus: Corpus, folder: Path) -> dict[str, Any]:
    graphs = {f"keep {keep}": variant(keep) for keep in range(2, 2 + VARIANTS)}
    with (
        ExitStack() as closing,
        opened(named(graphs), shared := SharedResults(), Given(corpus)) as together,
        RunLog(folder / "ten.jsonl") as log,
    ):
        plain = [closing.enter_context(RagGraph(written, corpus=corpus)) for written in graphs.values()]
        experiment = Experiment(together, shared, log)
        pairs = list(_in_turn(dataset, lambda asked: _evaluated(experiment, asked), lambda asked: _tails(plain, asked)))
    return _of_a_question(TEN, pairs[1:])


def _overhead(dataset: Dataset, corpus: Corpus, folder: Path) -> list[dict[str, Any]]:
    with (
        load("embedded") as llm,
        load("embedded") as other,
        opened(named("default"), shared := SharedResults(), Given(corpus, llm)) as graphs,
        RagGraph("default", corpus=corpus, llm=other) as plain,
        RunLog(folder / "one.jsonl") as log,
    ):
        experiment = Experiment(graphs, shared, log)
        pairs = list(
            _in_turn(dataset, lambda asked: _evaluated(experiment, asked), lambda asked: _invoked(plain, asked))
        )
        started = time.perf_counter()
        result = Result.of(dataset, log.records)
        result.table()
        result.write_report(folder / "report.html")
        after = time.perf_counter() - started
    whole = [(own + after / len(dataset), expected) for own, expected in pairs[1:]]
    return [
        _of_the_run(OVERHEAD, whole),
        _of_the_run("the same without measures, table and page", pairs[1:]),
        {"what": "measures, table and page", "seconds": after},
    ]


def _in_turn(dataset: Dataset, ours: Callable[[Question], float], plain: Callable[[Question], float]) -> Iterator[Pair]:
    """Seconds of both for each question, in turns the one first and the other."""
    for place, question in enumerate(dataset.questions):
        if place % 2:
            yield ours(question), plain(question)
        else:
            expected = plain(question)
            yield ours(question), expected


def _evaluated(experiment: Experiment, question: Question) -> float:
    started = time.perf_counter()
    list(experiment.runs([question]))
    return time.perf_counter() - started


def _invoked(graph: RagGraph, question: Question) -> float:
    started = time.perf_counter()
    graph.invoke(question.text)
    return time.perf_counter() - started


def _tails(graphs: Sequence[RagGraph], question: Question) -> float:
    """Seconds of one retrieval and of each graph's run without it."""
    retrievals, tails = [], []
    for graph in graphs:
        started = time.perf_counter()
        state = graph.invoke(question.text)
        seconds = time.perf_counter() - started
        retrievals.append(state.trace[0].milliseconds / 1000)
        tails.append(seconds - retrievals[-1])
    return float(np.mean(retrievals)) + sum(tails)


def _of_a_question(what: str, pairs: Sequence[Pair]) -> dict[str, Any]:
    """How many times as long a question takes, in the median."""
    own, expected = np.array(pairs).T
    return _row(what, own / expected, np.median, own)


def _of_the_run(what: str, pairs: Sequence[Pair]) -> dict[str, Any]:
    """How many times as long all questions take together; the interval is paired."""
    own, expected = np.array(pairs).T
    return _row(what, 1 + (own - expected) / expected.mean(), np.mean, own)


def _row(what: str, ratios: Floats, of: Callable[..., Any], own: Floats) -> dict[str, Any]:
    low, high = interval(ratios, of=of)
    return {"what": what, "x": float(of(ratios)), "low": low, "high": high, "seconds": float(np.median(own))}


if __name__ == "__main__":
    main()
