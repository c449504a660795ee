"""From a graph and a space to a better graph, with an honest word on how much better."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ...._paths import expand_user
from ....stores.corpus import Corpus
from ...generate.types import Answer, Citation, Statement
from ...graph.rag_graph import RagGraph
from ...graph.reading import Source, load_spec
from ...graph.running.resources import GivenLlm
from ...graph.spec import GraphSpec
from ...graph.state import NodeTrace
from ..errors import EvaluateError
from ..evaluating import INDEX, Experiment
from ..graphs import opened
from ..indexing import index_documents
from ..record import Record
from ..result import Estimate, Outcome, Result
from ..shared import SharedResults
from ..types import Dataset
from .search import Trial, best, search
from .space import Space, changed, read_space

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
        return self.best.outcome.less(self.trials[0].outcome, self.measure)

    @property
    def test_gain(self) -> Estimate:
        """What they gain on other questions."""
        return self.test[TUNED if TUNED in self.test else AS_WRITTEN].less(self.test.first, self.measure)


def tune(  # noqa: PLR0913 - what tuning is made of
    graph: Source,
    space: Space | str | Path,
    train: Dataset,
    test: Dataset,
    *,
    measure: str,
    seconds: float,
    corpus: Corpus | str | Path | None = None,
    llm: GivenLlm = None,
    trials: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    allow_imports: bool = False,
    on_trial: Callable[[Trial], None] | None = None,
) -> Tuned:
    """Search a graph's settings on training questions, and measure the best on others.

    ```python
    from ragloom import Corpus
    from ragloom.rag.evaluate import Dataset, Question, tune

    corpus = Corpus("./index")
    corpus.add(["Toad steals a motor-car and drives it into a pond.", "Mole paints his house."])
    train = Dataset("train", (Question("1", "What does Toad steal?", answers=("a motor-car",)),))
    test = Dataset("test", (Question("2", "What does Mole paint?", answers=("his house",)),))
    space = {"nodes.quote.max_sentences": [1, 2], "nodes.quote.passages": [0, 3]}
    tuned = tune("quick", space, train, test, measure="F1", seconds=20, corpus=corpus)
    print(len(tuned.trials))  # -> 5
    ```

    Args:
        graph: the graph, as `RagGraph` takes it.
        space: what may vary: a YAML file, or what would be in one; see `tuning.space`.
        train: the questions to choose by.
        test: other questions, which nothing is chosen by.
        measure: what to tune for, such as `nDCG@10` or `F1`.
        seconds: the budget of the search; the graph as it is written, and the test, come on top.
        corpus: where to look; by default the dataset's documents.
        llm: a chat model, or what `ragloom.load` takes.
        trials: at most so many settings.
        seed: of the search.
        out: a folder for the index of the dataset's documents.
        allow_imports: whether the modules that the graph names may be imported.
        on_trial: hears of each trial that has ended.

    Raises:
        SpaceError: the graph cannot have what the space says.
        EvaluateError: a question is in both `train` and `test`, or the measure cannot be told.
        MissingExtraError: optuna is not installed.
    """
    spec = load_spec(graph)
    dimensions = read_space(space, spec)
    asked = {each.plain for each in train.questions}
    if common := [each.text for each in test.questions if each.plain in asked]:
        raise EvaluateError(f"the question {common[0]!r} is in both train and test; test what was not tuned on")
    _check_told(measure, test)
    with ExitStack() as closing:
        folder = expand_user(out) if out else Path(closing.enter_context(TemporaryDirectory(prefix="ragloom-")))
        if corpus is None and train.documents:
            corpus = closing.enter_context(index_documents(train, folder / INDEX))
        shared = SharedResults(KEPT)
        options: dict[str, Any] = {"corpus": corpus, "llm": llm, "allow_imports": allow_imports}
        base = closing.enter_context(opened({AS_WRITTEN: spec}, shared, **options))[AS_WRITTEN]

        def other(written: GraphSpec) -> RagGraph:
            return closing.enter_context(RagGraph(written, cache=shared, shares=base, **options))

        def run(written: GraphSpec, deadline: float) -> Outcome | None:
            records = []
            for record in Experiment({TUNED: other(written)}, shared).runs(train.questions):
                records.append(record)
                if time.monotonic() > deadline and len(records) < len(train):
                    return None
            return Result.of(train, records)[TUNED]

        done: list[Trial] = []
        for trial in search(spec, dimensions, run, measure=measure, seconds=seconds, trials=trials, seed=seed):
            done.append(trial)
            if on_trial:
                on_trial(trial)
        found = best(done, measure)
        tuned = changed(spec, found.settings)
        tested = {AS_WRITTEN: base} | ({TUNED: other(tuned)} if found.settings else {})
        records = list(Experiment(tested, shared).runs(test.questions))
    return Tuned(tuned, measure, tuple(done), found, Result.of(test, records))


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
    told = Result.of(test, runs)[AS_WRITTEN].measures
    if measure not in {*told, "failed"}:
        raise EvaluateError(f"{measure!r} cannot be told of the questions of {test.name}; they have: {', '.join(told)}")


def _any_answer(question: str) -> Answer:
    statement, citation = Statement("something"), Citation("any", "any", "", (), 0, 1, "")
    return Answer(question, (statement,), (citation,), "quoted", 1.0)
