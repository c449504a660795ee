"""Tune a graph's settings on some questions, and report on others."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from ...._paths import expand_user
from ...generate.types import Answer, Citation, Statement
from ...graph.rag_graph import RagGraph
from ...graph.reading import Source, load_spec
from ...graph.spec import GraphSpec
from ...graph.state import NodeTrace
from ..bootstrap import interval
from ..errors import EvaluateError
from ..evaluating import tell_unknown, with_documents
from ..experiment import Experiment
from ..graphs import Given
from ..measures.ranking import RETRIEVAL, is_measure
from ..progress import Tell
from ..record import Record
from ..result import Estimate, Outcome, Result
from ..shared import SharedResults
from ..types import Dataset
from .search import Search, Trial, trials
from .space import changed, read_space

_log = logging.getLogger(__name__)

KEPT = 50_000
"""Results of nodes that trials may use again: some 10 kB each with a small embedder."""

AS_WRITTEN, TUNED = "as written", "tuned"


@dataclass(frozen=True, slots=True)
class Tuned:
    """What tuning found.

    Attributes:
        spec: the graph with the best settings, or as it is written where nothing was better.
        measure: what it was tuned for.
        trials: all that were run to their end; the first is the graph as it is written.
        best: the best of them, on the training questions.
        test: both graphs on questions that no setting was chosen by: `as written`, and `tuned` if there is one.
    """

    spec: GraphSpec
    measure: str
    trials: tuple[Trial, ...]
    best: Trial
    test: Result

    @property
    def train_gain(self) -> Estimate:
        """What the best settings gained where they were chosen, which flatters them."""
        first = self.trials[0]
        telling = min(self.best.telling, first.telling)
        return Estimate(self.best.value - first.value, *interval(self.best.drawn - first.drawn, telling))

    @property
    def test_gain(self) -> Estimate:
        """What they gain on other questions."""
        return self.test[TUNED if TUNED in self.test else AS_WRITTEN].less(self.test.first, self.measure)


def tune(  # noqa: PLR0913 - three by keyword
    graph: Source,
    train: Dataset,
    test: Dataset,
    search: Search,
    given: Given | None = None,
    *,
    out: str | Path | None = None,
    on_trial: Callable[[Trial], None] | None = None,
    on_progress: Tell | None = None,
) -> Tuned:
    """Search a graph's settings on training questions, and measure the best on others.

    ```python
    from ragloom import Corpus
    from ragloom.rag.evaluate import Dataset, Given, Question, Search, tune

    corpus = Corpus("./index")
    corpus.add(["Toad steals a motor-car and drives it into a pond.", "Mole paints his house."])
    train = Dataset("train", (Question("1", "What does Toad steal?", answers=("a motor-car",)),))
    test = Dataset("test", (Question("2", "What does Mole paint?", answers=("his house",)),))
    space = {"nodes.quote.max_sentences": [1, 2], "nodes.quote.passages": [0, 3]}
    tuned = tune("quick", train, test, Search(space, "F1", seconds=20), Given(corpus))
    print(len(tuned.trials))  # -> 5
    ```

    Args:
        graph: the graph, as `RagGraph` takes it.
        train: the questions to choose by.
        test: other questions, which nothing is chosen by.
        search: what may vary, what is best, and the budget.
        given: what the graph works with; without a corpus, it looks in the documents of `train`.
        out: a folder that keeps the index of the documents of `train`.
        on_trial: hears of each trial that has ended.
        on_progress: hears of documents that are indexed.

    Questions that are in `test` are left out of `train`, with a warning. Ctrl-C ends the search, and the best settings
    so far are tested; a second one ends that, too.

    Raises:
        SpaceError: the graph cannot have what the space says.
        EvaluateError: all questions of `train` are in `test`, they have other documents and there is no corpus, or the
            measure cannot be told.
        MissingExtraError: optuna is not installed.
    """
    spec = load_spec(graph)
    given = given or Given()
    dimensions = read_space(search.space, spec, given.check)
    train = _apart(train, test)
    if given.corpus is None and test.documents not in ((), train.documents):
        raise EvaluateError(f"{test.name} has other documents than {train.name}; give both a corpus of all of them")
    _check_told(search.measure, test)
    with ExitStack() as closing:
        folder = expand_user(out) if out else Path(closing.enter_context(TemporaryDirectory(prefix="ragloom-")))
        means = closing.enter_context(with_documents(given, train, folder, on_progress))
        bench = _Bench(means, search.measure)
        base = closing.enter_context(bench.open(spec))
        tell_unknown(train, [base])
        done: list[Trial] = []
        try:
            for trial in trials(spec, dimensions, search, partial(bench.run, train, base)):
                done.append(trial)
                if on_trial:
                    on_trial(trial)
        except KeyboardInterrupt:
            if not done:
                raise
            _log.warning("the search was ended after %d trials; now comes the test", len(done))
        best = search.best(done)
        tuned = changed(spec, best.settings)
        tested = {AS_WRITTEN: base}
        if best.settings:
            tested[TUNED] = closing.enter_context(bench.open(tuned, base))
        result = bench.measured(test, Experiment(tested, bench.shared).runs(test.questions))
    return Tuned(tuned, search.measure, tuple(done), best, result)


class _Bench:
    """What all trials run on: they share what they load, and what they work out."""

    def __init__(self, given: Given, measure: str) -> None:
        self.shared = SharedResults(KEPT)
        self._given = given
        self._retrieval = _with(measure)

    def open(self, spec: GraphSpec, shares: RagGraph | None = None) -> RagGraph:
        return self._given.open(spec, self.shared, shares)

    def run(self, train: Dataset, base: RagGraph, spec: GraphSpec, deadline: float) -> Outcome | None:
        """The outcome of a graph; None: the time was up before the last question."""
        records = []
        with self.open(spec, base) as graph:
            for record in Experiment({TUNED: graph}, self.shared).runs(train.questions):
                records.append(record)
                if time.monotonic() > deadline and len(records) < len(train):
                    return None
        return self.measured(train, records)[TUNED]

    def measured(self, data: Dataset, records: Iterable[Record]) -> Result:
        return Result.of(data, list(records), retrieval=self._retrieval)


def _apart(train: Dataset, test: Dataset) -> Dataset:
    """The training questions that are not tested on, too.

    Raises:
        EvaluateError: there are none.
    """
    tested = {each.plain for each in test.questions}
    left = tuple(each for each in train.questions if each.plain not in tested)
    if not left:
        raise EvaluateError(f"the question {train.questions[0].text!r} is in both train and test, as all of train are")
    if common := len(train) - len(left):
        _log.warning("%d of %d training questions are in %s, too, and left out", common, len(train), test.name)
    return replace(train, questions=left)


def _check_told(measure: str, test: Dataset) -> None:
    """Refuse a measure that no run can have on these questions, before the budget is spent.

    Raises:
        EvaluateError: they lack what it is measured by.
    """
    node = NodeTrace("any", 1.0, tokens_in=1, tokens_out=1, tokens_reused=1, documents_read=1)
    runs = [
        Record(graph=AS_WRITTEN, question=each.id, made_with="", trace=(node,), answer=_any_answer(each.text))
        for each in test.questions
    ]
    told = Result.of(test, runs, retrieval=_with(measure))[AS_WRITTEN].measures
    if measure not in {*told, "failed"}:
        raise EvaluateError(f"{measure!r} cannot be told of the questions of {test.name}; they have: {', '.join(told)}")


def _with(measure: str) -> Sequence[str]:
    """The usual measures of retrieval, and this one if it is another."""
    return tuple(dict.fromkeys((*RETRIEVAL, measure))) if is_measure(measure) else RETRIEVAL


def _any_answer(question: str) -> Answer:
    statement, citation = Statement("something"), Citation("any", "any", "", (), 0, 1, "")
    return Answer(question, (statement,), (citation,), "quoted", 1.0)
