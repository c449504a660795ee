"""What an evaluation costs beside what its graphs do, and what ten variants cost that differ after the retrieval.

Both ways take turns, question by question, each as often first as second; a ratio compares them on one question.

- ten variants: the graphs search, let the embedded LLM rank what is found, and fuse both lists with ten constants. All
  but the fusing is shared, and it costs next to nothing: were the rest done ten times, this would be near 10. Beside
  that each is invoked alone, of which the shared nodes' time is counted once, and of each variant what its run took
  without them.
- overhead: the preset `default` with the embedded LLM, which most of these questions do not reach, run as an evaluation
  runs it, with its file of runs, beside the same graph invoked. Of several rounds the fastest counts, for whatever else
  the machine does only adds to it. What else an evaluation does (imports, checks, fingerprints, measures, table, page)
  is timed by evaluating once more what has been run, and spread over the questions: it hardly grows with them.

The LLM forgets before each run what it was asked before, so that neither way finds in the cache what the other has
read. It ends with an error where the interval reaches above a limit.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import data
import numpy as np
from numpy.typing import NDArray
from ragloom import Corpus, load
from ragloom.rag.evaluate import Dataset, Given, Question, evaluate, read_dataset
from ragloom.rag.evaluate.evaluating import RUNS
from ragloom.rag.evaluate.experiment import Experiment
from ragloom.rag.evaluate.graphs import named, opened
from ragloom.rag.evaluate.log import RunLog
from ragloom.rag.evaluate.shared import SharedResults
from ragloom.rag.graph import RagGraph
from ragloom.rag.llm.base import ChatModel
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
    parser.add_argument("--questions", type=int, default=12, help="for the ten variants")
    parser.add_argument("--written", type=int, default=100, help="questions for the overhead")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is asked")
    parser.add_argument("--documents", type=int, default=500)
    options = parser.parse_args()
    dataset = read_dataset(need(options.data / "scifact"), split="test")
    with tempfile.TemporaryDirectory() as folder, Corpus(Path(folder, "index")) as corpus:
        sources = dataset.documents[: options.documents]
        corpus.add([Chunk.from_text(source.text, id=source.id, title=source.title) for source in sources])
        with load("embedded") as llm:
            bench = Bench(corpus, llm, Path(folder))
            rows = [bench.ten_variants(dataset.sample(options.questions))]
            rows += bench.overhead(dataset.sample(options.written), options.rounds)
    chosen = {"questions": options.questions, "written": options.written, "rounds": options.rounds}
    write("evaluate", rows, limits=LIMITS, options={**chosen, "documents": len(sources)})
    if above := [row["what"] for row in rows if row.get("high", 0) > LIMITS.get(row["what"], math.inf)]:
        raise SystemExit(f"above the limit: {'; '.join(above)}")


def variant(constant: int) -> dict[str, Any]:
    nodes = {
        "retrieve": {"use": "hybrid", "k": 3},
        "rank": {"use": "first"},
        "fuse": {"use": "rrf", "of": ["retrieve", "rank"], "rank_constant": constant},
    }
    return {"nodes": nodes, "flow": ["start -> retrieve -> rank -> fuse -> end"]}


SHARED = {"retrieve", "rank"}


@dataclass
class Bench:
    """What both are measured with."""

    corpus: Corpus
    llm: ChatModel
    folder: Path

    def ten_variants(self, dataset: Dataset) -> dict[str, Any]:
        graphs = {f"constant {place}": variant(10 * place) for place in range(1, 1 + VARIANTS)}
        with (
            ExitStack() as closing,
            opened(named(graphs), shared := SharedResults(), Given(self.corpus, self.llm)) as together,
            RunLog(self.folder / "ten.jsonl") as log,
        ):
            plain = [closing.enter_context(self._alone(written)) for written in graphs.values()]
            experiment = Experiment(together, shared, log)
            pairs = list(_in_turn(dataset, partial(_evaluated, experiment), partial(self._tails, plain)))
        return _of_a_question(TEN, pairs[1:])

    def overhead(self, dataset: Dataset, rounds: int) -> list[dict[str, Any]]:
        with (
            opened(named("default"), shared := SharedResults(), Given(self.corpus, self.llm)) as graphs,
            self._alone("default") as plain,
            RunLog(self.folder / "evaluation" / RUNS) as log,
        ):
            experiment = Experiment(graphs, shared, log)
            timed = [
                list(_in_turn(dataset, partial(_evaluated, experiment), partial(self._invoked, plain)))
                for _ in range(rounds)
            ]
            runs = log.records
        started = time.perf_counter()
        result = evaluate("default", dataset, Given(self.corpus, self.llm), out=self.folder / "evaluation")
        result.table()
        result.write_report(self.folder / "evaluation" / "report.html")
        fixed = time.perf_counter() - started
        assert result.first.records == tuple(runs[-len(dataset) :])  # nothing was run again
        answered = sum(any(step.tokens_out for step in record.trace) for record in result.first.records)
        fastest = np.min(timed, axis=0)
        return [
            _of_the_run(OVERHEAD, fastest + np.array([fixed / len(dataset), 0.0])),
            _of_the_run("its runs alone", fastest),
            {"what": "all but its runs, once", "seconds": fixed},
            {"what": f"questions of {len(dataset)} that the LLM answers", "of them": answered},
        ]

    def _alone(self, graph: Any) -> RagGraph:
        return RagGraph(graph, corpus=self.corpus, llm=self.llm)

    def _invoked(self, graph: RagGraph, question: Question) -> float:
        self.llm.forget()
        started = time.perf_counter()
        graph.invoke(question.text)
        return time.perf_counter() - started

    def _tails(self, graphs: Sequence[RagGraph], question: Question) -> float:
        """Seconds of the shared nodes once and of each graph's run without them."""
        common, tails = [], []
        for graph in graphs:
            self.llm.forget()
            started = time.perf_counter()
            state = graph.invoke(question.text)
            seconds = time.perf_counter() - started
            common.append(sum(each.milliseconds for each in state.trace if each.node in SHARED) / 1000)
            tails.append(seconds - common[-1])
        return float(np.mean(common)) + sum(tails)


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


def _of_a_question(what: str, pairs: Sequence[Pair]) -> dict[str, Any]:
    """How many times as long a question takes, in the median."""
    own, expected = np.array(pairs).T
    return _row(what, own / expected, np.median, own)


def _of_the_run(what: str, pairs: Floats) -> dict[str, Any]:
    """How many times as long all questions take together; the interval is paired."""
    own, expected = np.array(pairs).T
    return _row(what, 1 + (own - expected) / expected.mean(), np.mean, own)


def _row(what: str, ratios: Floats, of: Callable[..., Any], own: Floats) -> dict[str, Any]:
    low, high = interval(ratios, of=of)
    return {"what": what, "x": float(of(ratios)), "low": low, "high": high, "seconds": float(np.median(own))}


if __name__ == "__main__":
    main()
