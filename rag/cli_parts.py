"""What several commands of `ragloom` share: exit codes, opening things, checking what was typed, running a graph."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import RagloomError
from .options import DEFAULT_INDEX

if TYPE_CHECKING:
    from ..stores.corpus import Corpus
    from .display import Display
    from .graph import GraphSpec, RagGraph, RagState
    from .llm import ChatModel

NOTHING = 1
FAULT = 2
INTERRUPTED = 130


def make_display(as_json: bool) -> Display:
    """Where output goes."""
    from .display import Display

    return Display(as_json=as_json)


def open_corpus(index: Path, embedder: str | None = None) -> Corpus:
    """Open an index that is there, and tell if it is empty."""
    from ..stores.corpus import Corpus

    corpus = Corpus(index, create=False, embedder=embedder)
    if not len(corpus):
        make_display(as_json=False).note(f"the index is empty; fill it with: ragloom ingest FOLDER --into {index}")
    return corpus


def begin_loading(model: str, gpu_layers: int) -> Callable[[], ChatModel]:
    """Check the model now, load it in the background: importing the embedder takes as long."""
    from .llm.preload import preload

    return preload(model, n_gpu_layers=gpu_layers)


def read_where(text: str) -> dict[str, Any] | None:
    """Metadata conditions, as typed."""
    if not text:
        return None
    from ..stores.where import check_where

    try:
        conditions = json.loads(text)
    except ValueError as error:
        raise RagloomError(
            f'--where is not JSON ({error}): {text}; write it like --where \'{{"year": {{"$gte": 2020}}}}\''
        ) from error
    if not isinstance(conditions, dict):
        raise RagloomError(f'--where must be a JSON object such as {{"year": 2020}}, not {text}')
    check_where(conditions)
    return conditions


def check_questions(questions: list[str], k: int = 1, mode: str = "hybrid") -> None:
    """Refuse what no search can use before anything is loaded."""
    from ..stores.query import Query

    for question in questions:
        Query.checked(question, None, k, mode)


def was_given(context: typer.Context, name: str) -> bool:
    """Whether an option stands on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def refuse_with_graph(context: typer.Context, graph: str, *names: str) -> None:
    """Refuse options that only `default` and `quick` know, rather than overlook them."""
    for name in names:
        if was_given(context, name):
            shown = f"-{name}" if len(name) == 1 else f"--{name}"
            raise RagloomError(f"{shown} is for the presets default and quick; write it into {graph}")


@contextmanager
def open_graph(
    spec: GraphSpec,
    corpus: Corpus | None = None,
    *,
    index: Path | None = None,
    model: str | None = None,
    gpu_layers: int = 0,
    allow_imports: bool = False,
    checkpoints: Path | None = None,
) -> Iterator[RagGraph]:
    """A graph ready to run: with the index and the LLM that were named, else its own, else the defaults."""
    from .graph.checking import plan
    from .graph.errors import SpecError
    from .graph.rag_graph import RagGraph
    from .graph.running.resources import Resources, lacking

    given = {
        name for name, value in (("corpus", index if corpus is None else corpus), ("llm", model)) if value is not None
    }
    planned, problems = plan(spec, allow_imports=allow_imports, given=given)
    if problems:
        raise SpecError(problems)
    with ExitStack() as opened:
        if corpus is None and (index or (planned.wants_corpus and spec.corpus is None)):
            corpus = opened.enter_context(open_corpus(index or DEFAULT_INDEX))
        llm = None
        if planned.wants_llm and (model or spec.llm is None):
            model = model or "embedded"
            if problems := lacking(planned, Resources(planned.spec, corpus, model)):
                raise SpecError(problems)
            llm = begin_loading(model, gpu_layers)
        elif model or gpu_layers:
            option = "--model" if model else "--gpu-layers"
            why = "the graph names its own LLM" if planned.wants_llm else "no node asks the graph's LLM"
            raise RagloomError(f"{option} is of no use: {why}")
        yield opened.enter_context(
            RagGraph(spec, corpus=corpus, llm=llm, allow_imports=allow_imports, checkpoints=checkpoints)
        )


def show_run(
    display: Display,
    graph: RagGraph,
    question: str | None,
    *,
    thread: str | None = None,
    with_trace: bool,
) -> RagState:
    """Run a graph, show what it ended with and perhaps what each node did; no question: resume the thread."""
    from .graph.last_run import remember_run
    from .graph.state import RagState

    started = time.perf_counter()
    with display.working() as tell:
        for event in graph.stream(question, thread=thread):
            if isinstance(event, RagState):
                state = event
            else:
                tell(event)
    remember_run(graph.spec, state.trace)
    display.state(state)
    if with_trace:
        display.trace(state.trace, milliseconds=(time.perf_counter() - started) * 1000)
    return state
