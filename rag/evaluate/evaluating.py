"""Run graphs on the same questions, and keep what came of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory

from ..._paths import expand_user
from ..graph.errors import SpecError
from ..graph.rag_graph import RagGraph
from ..graph.spec import GraphSpec
from .errors import EvaluateError
from .experiment import Experiment
from .graphs import Given, Graphs, named, opened
from .indexing import index_documents
from .log import RunLog, locked
from .measures.ranking import RETRIEVAL, check_measures
from .progress import Tell
from .reading import read_dataset
from .result import Result
from .shared import SharedResults
from .types import Dataset

RUNS = "runs.jsonl"
"""The file of runs, in the folder of an evaluation."""

SCORES = "scores.jsonl"
"""Every score of every run, beside it."""

INDEX = "index"
"""The corpus of the dataset's documents, in the same folder."""

_MOST_TOLD = 5
"""Pieces of evidence that nothing has, told one by one."""

_MOST_COMPARED = 10_000
"""Names that are compared letter by letter with one that nothing has, which takes a second."""

_log = logging.getLogger(__name__)


def evaluate(
    graphs: Graphs,
    dataset: Dataset | str | Path,
    given: Given | None = None,
    *,
    out: str | Path | None = None,
    retrieval: Sequence[str] = RETRIEVAL,
    on_progress: Tell | None = None,
) -> Result:
    """Run graphs on the same questions and measure what comes of it.

    A question is put to all graphs before the next one; what they have in common is worked out once. A run that fails
    is measured as one that found nothing, and the evaluation goes on.

    ```python
    from ragloom import Corpus
    from ragloom.rag.evaluate import Dataset, Given, Question, evaluate

    corpus = Corpus("./index")
    corpus.add(["Toad steals a motor-car and drives it into a pond.", "Mole paints his house."])
    dataset = Dataset("toad", (Question("1", "What does Toad steal?", answers=("a motor-car",)),))
    result = evaluate("quick", dataset, Given(corpus))
    print(result["quick"].mean("token recall"))  # -> 1.0
    ```

    Args:
        graphs: presets, YAML files or graphs as `RagGraph` takes them: one, several, or a mapping from names.
        dataset: the questions, or the path of a dataset.
        given: what the graphs work with; without a corpus, they look in the dataset's documents.
        out: a folder that keeps runs, their scores, and the index of the dataset's documents: an evaluation that was
            broken off goes on from there, and one whose graphs, corpus and LLM are the same is only read.
        retrieval: measures of `ir-measures`.
        on_progress: hears of documents that are indexed, and of each run that is done.

    Raises:
        EvaluateError: there are no questions, two graphs have one name, there is no such measure, or `out` holds
            something else or is in use.
        DatasetError: the dataset is missing or malformed.
        SpecError: something is wrong with a graph.
        MissingExtraError: relevant documents are known, but ir-measures is not installed.
    """
    if not isinstance(dataset, Dataset | str | Path):
        raise EvaluateError(f"a dataset is a Dataset or its path, not {type(dataset).__name__}")
    data = dataset if isinstance(dataset, Dataset) else read_dataset(dataset)
    if not data.questions:
        raise EvaluateError(f"{data.name} has no questions; there is nothing to ask")
    specs = named(graphs)
    if any(question.relevant for question in data.questions):
        check_measures(retrieval)
    check_graphs(specs.values(), given or Given(), data)
    with ExitStack() as closing:
        folder = expand_user(out) if out else Path(closing.enter_context(TemporaryDirectory(prefix="ragloom-")))
        closing.enter_context(locked(folder))
        means = closing.enter_context(with_documents(given or Given(), data, folder, on_progress))
        log = closing.enter_context(RunLog(folder / RUNS))
        ready = closing.enter_context(opened(specs, shared := SharedResults(), means))
        tell_unknown(data, ready.values())
        records = list(Experiment(ready, shared, log).runs(data.questions, on_progress))
        result = Result.of(data, records, retrieval=retrieval)
        if out:
            result.write_scores(folder / SCORES)
    return result


def check_graphs(specs: Iterable[GraphSpec], given: Given, data: Dataset) -> None:
    """Find what is wrong with graphs before documents are indexed for them, which may take long.

    Raises:
        SpecError: something is.
    """
    ready = replace(given, corpus=given.corpus or INDEX) if data.documents else given
    if problems := [problem for spec in specs for problem in ready.check(spec)]:
        raise SpecError(problems)


def tell_unknown(data: Dataset, graphs: Iterable[RagGraph]) -> None:
    """Warn of evidence that no corpus of the graphs has, for no ranking can have it either."""
    if not any(question.relevant for question in data.questions):
        return
    corpora = {corpus.path: corpus for graph in graphs for corpus in graph.corpora()}
    names = {name for corpus in corpora.values() for name in (*corpus.ids(), *corpus.fingerprints())}
    known = {"/".join(parts[at:]) for name in names for parts in [name.split("/")] for at in range(len(parts))}
    missing = dict.fromkeys(
        each.document for question in data.questions for each in question.relevant if each.document not in known
    )
    for document in list(missing)[:_MOST_TOLD] if corpora else ():
        close = get_close_matches(document, known, n=1) if len(known) <= _MOST_COMPARED else []
        meant = f"; did you mean {close[0]!r}?" if close else ""
        _log.warning("%s: the evidence %r names no document of the index%s", data.name, document, meant)
    if corpora and len(missing) > _MOST_TOLD:
        _log.warning("%s: and %d others", data.name, len(missing) - _MOST_TOLD)


@contextmanager
def with_documents(given: Given, data: Dataset, folder: Path, tell: Tell | None = None) -> Iterator[Given]:
    """What was given, with the dataset's documents as the corpus, indexed in `folder`, where no other was given."""
    if given.corpus is not None or not data.documents:
        yield given
        return
    with index_documents(data, folder / INDEX, on_progress=tell) as corpus:
        yield replace(given, corpus=corpus)
