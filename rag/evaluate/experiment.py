"""Graphs that are put the same questions, and what came of each run."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence

from ...errors import RagloomError
from ..graph.rag_graph import RagGraph
from ..graph.running.caching import digest
from ..llm.base import ChatModel
from .log import RunLog
from .progress import Pace, Tell
from .record import Record
from .shared import SharedResults
from .types import Question

_log = logging.getLogger(__name__)


class Experiment:
    """Graphs that are put the same questions.

    An LLM in this process forgets before each run what earlier ones asked it: else a graph would be the cheaper the
    more alike the graphs before it were.

    ```python
    from ragloom import Corpus
    from ragloom.rag.evaluate import Question
    from ragloom.rag.evaluate.experiment import Experiment
    from ragloom.rag.evaluate.graphs import Given, named, opened
    from ragloom.rag.evaluate.shared import SharedResults

    corpus = Corpus("./index")
    corpus.add(["Toad steals a motor-car and drives it into a pond."])
    with opened(named("quick"), shared := SharedResults(), Given(corpus)) as graphs:
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
        self._last = {(each.graph, each.question): each.made_with for each in kept}
        self._made_with = {name: graph.fingerprint() for name, graph in graphs.items()}
        self._answering = {name for name, graph in graphs.items() if _gives_answers(graph)}
        self._llms = [llm for graph in graphs.values() for llm in graph.llms() if isinstance(llm, ChatModel)]
        self._fresh = set(graphs)

    def runs(self, questions: Sequence[Question], tell: Tell | None = None) -> Iterator[Record]:
        """Each question on each graph; each time another graph begins, for those after it find caches filled."""
        to_make = sum(self._kept(name, question) is None for name in self._graphs for question in questions)
        pace = Pace(len(self._graphs) * len(questions), to_make, tell)
        for place, question in enumerate(questions):
            for name in self._in_turn(place):
                kept = self._kept(name, question)
                yield self._kept_again(kept, question) if kept else self._run(name, question)
                pace.add(is_made=kept is None)
            self._shared.end_question()

    def _in_turn(self, place: int) -> list[str]:
        names = list(self._graphs)
        first = place % len(names)
        return names[first:] + names[:first]

    def _kept(self, name: str, question: Question) -> Record | None:
        return self._known.get((name, self._made_of(name, question)))

    def _made_of(self, name: str, question: Question) -> str:
        return digest([self._made_with[name], question.text])

    def _kept_again(self, kept: Record, question: Question) -> Record:
        """A run that is known, as the last one of the log that has this question, whatever its id was then."""
        record = kept.model_copy(update={"question": question.id})
        if self._log and self._last.get((kept.graph, question.id)) != kept.made_with:
            self._log.append(record)
        return record

    def _run(self, name: str, question: Question) -> Record:
        made_with = self._made_of(name, question)
        record = Record(
            graph=name,
            question=question.id,
            made_with=made_with,
            gives_answers=name in self._answering,
            is_first=name in self._fresh,
        )
        self._fresh.discard(name)
        self._shared.begin()
        for llm in self._llms:
            llm.forget()
        try:
            state = self._graphs[name].invoke(question.text)
            record = record.with_end(state, self._shared.priced(state.trace))
        except RagloomError as error:
            _log.info("%s failed on %s", name, question.id, exc_info=True)
            record = record.model_copy(update={"error": str(error)}).writable()
        if self._log:
            self._log.append(record)
        return record


def _gives_answers(graph: RagGraph) -> bool:
    return any("answer" in node.type.writes for node in graph.plan.nodes.values() if node.type)
