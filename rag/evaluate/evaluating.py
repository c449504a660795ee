"""Run graphs on the same questions, and keep what came of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ..._paths import expand_user
from ...errors import RagloomError
from ...stores.corpus import Corpus
from ..graph.node_type import NodeType
from ..graph.predicates import Predicate
from ..graph.rag_graph import RagGraph
from ..graph.running.caching import digest
from ..graph.running.resources import GivenLlm
from .graphs import Graphs, named, opened
from .indexing import index_documents
from .log import RunLog
from .measures.ranking import RETRIEVAL, check_measures
from .reading import read_dataset
from .record import Record
from .result import Result
from .shared import SharedResults
from .types import Dataset, Question

_log = logging.getLogger(__name__)

RUNS = "runs.jsonl"
"""The file of runs, in the folder of an evaluation."""

INDEX = "index"
"""The corpus of the dataset's documents, in the same folder."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an evaluation is.

    Attributes:
        done: runs that are done, those found on the disk included.
        total: runs in all: graphs times questions.
        seconds_left: how long the rest will take if it goes on as so far.
    """

    done: int
    total: int
    seconds_left: float


def evaluate(  # noqa: PLR0913 - what an evaluation is made of
    graphs: Graphs,
    dataset: Dataset | str | Path,
    *,
    corpus: Corpus | str | Path | None = None,
    llm: GivenLlm = None,
    out: str | Path | None = None,
    limit: int | None = None,
    seed: int = 0,
    retrieval: Sequence[str] = RETRIEVAL,
    types: Collection[NodeType | Predicate] = (),
    allow_imports: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Result:
    """Run graphs on the same questions and measure what comes of it.

    A question is put to all graphs before the next one; what they have in common is worked out once. A run that fails
    is measured as one that found nothing, and the evaluation goes on.

    ```python
    from ragloom import Corpus
    from ragloom.rag.evaluate import Dataset, Question, evaluate

    corpus = Corpus("./index")
    corpus.add(["Toad steals a motor-car and drives it into a pond.", "Mole paints his house."])
    dataset = Dataset("toad", (Question("1", "What does Toad steal?", answers=("a motor-car",)),))
    result = evaluate("quick", dataset, corpus=corpus)
    print(result["quick"].mean("token recall"))  # -> 1.0
    ```

    Args:
        graphs: presets, YAML files or graphs as `RagGraph` takes them: one, several, or a mapping from names.
        dataset: the questions, or the path of a dataset.
        corpus: where to look: goes before the graphs' own; by default that of the dataset's documents.
        llm: a chat model, or what `ragloom.load` takes; goes before the graphs' own.
        out: a folder that keeps runs, and the index of the dataset's documents: an evaluation that was broken off
            goes on from there, and one whose graphs, corpus and LLM are the same is only read.
        limit: at most so many questions, chosen at random but always the same.
        seed: which ones.
        retrieval: measures of `ir-measures`.
        types: node types and predicates of your own.
        allow_imports: whether the modules that graphs name may be imported, which runs their code.
        on_progress: hears of each run that is done.

    Raises:
        EvaluateError: two graphs have one name, there is no such measure, or what `out` holds is something else.
        DatasetError: the dataset is missing or malformed.
        SpecError: something is wrong with a graph.
        MissingExtraError: relevant documents are known, but ir-measures is not installed.
    """
    data = dataset if isinstance(dataset, Dataset) else read_dataset(dataset)
    if limit is not None:
        data = data.sample(limit, seed=seed)
    specs = named(graphs)
    if any(question.relevant for question in data.questions):
        check_measures(retrieval)
    with ExitStack() as closing:
        folder = expand_user(out) if out else Path(closing.enter_context(TemporaryDirectory(prefix="ragloom-")))
        if corpus is None and data.documents:
            corpus = closing.enter_context(index_documents(data, folder / INDEX))
        shared = SharedResults()
        ready = closing.enter_context(
            opened(specs, shared, corpus=corpus, llm=llm, types=types, allow_imports=allow_imports)
        )
        log = closing.enter_context(RunLog(folder / RUNS))
        runs = Experiment(ready, shared, log).runs(data.questions)
        found = {id(record) for record in log.records}
        records = list(_told(runs, len(data) * len(specs), found, on_progress))
    return Result.of(data, records, retrieval=retrieval)


class Experiment:
    """Graphs that are put the same questions.

    ```python
    from ragloom import Corpus
    from ragloom.rag.evaluate import Question
    from ragloom.rag.evaluate.evaluating import Experiment
    from ragloom.rag.evaluate.graphs import named, opened
    from ragloom.rag.evaluate.shared import SharedResults

    corpus = Corpus("./index")
    corpus.add(["Toad steals a motor-car and drives it into a pond."])
    with opened(named("quick"), shared := SharedResults(), corpus=corpus) as graphs:
        (record,) = Experiment(graphs, shared).runs([Question("1", "What does Toad steal?")])
    print(record.words)  # -> Toad steals a motor-car and drives it into a pond.
    ```
    """

    def __init__(self, graphs: Mapping[str, RagGraph], shared: SharedResults, log: RunLog | None = None) -> None:
        """Run `graphs`, opened with `shared` as their cache; of what `log` has, only that is run again which failed."""
        self._graphs = graphs
        self._shared = shared
        self._log = log
        kept = log.records if log else ()
        self._known = {(each.graph, each.made_with): each for each in kept if not each.error}
        self._made_with = {name: graph.fingerprint() for name, graph in graphs.items()}
        self._fresh = set(graphs)

    def runs(self, questions: Sequence[Question]) -> Iterator[Record]:
        """Each question on each graph in turn."""
        for question in questions:
            for name in self._graphs:
                made_with = digest([self._made_with[name], question.id, question.text])
                yield self._known.get((name, made_with)) or self._run(name, question, made_with)
            self._shared.end_question()

    def _run(self, name: str, question: Question, made_with: str) -> Record:
        record = Record(graph=name, question=question.id, made_with=made_with, is_first=name in self._fresh)
        self._fresh.discard(name)
        self._shared.begin()
        try:
            state = self._graphs[name].invoke(question.text)
        except RagloomError as error:
            _log.info("%s failed on %s", name, question.id, exc_info=True)
            record = record.model_copy(update={"error": str(error)})
        else:
            record = record.with_end(state, self._shared.priced(state.trace))
        if self._log:
            self._log.append(record)
        return record


def _told(
    runs: Iterator[Record], total: int, found: Collection[int], on_progress: Callable[[Progress], None] | None
) -> Iterator[Record]:
    """The runs, while telling how far they are; those `found` on the disk say nothing of how long the others take."""
    started = time.perf_counter()
    made = 0
    for done, record in enumerate(runs, start=1):
        made += id(record) not in found
        yield record
        if on_progress:
            seconds = (time.perf_counter() - started) / made * (total - done) if made else 0.0
            on_progress(Progress(done, total, seconds))
