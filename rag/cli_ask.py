"""`ragloom demo`, `ragloom ask` and `ragloom search`: what is asked of documents once."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import RagloomError
from .cli_ingest import check_not_empty, ingest_into, showing_progress
from .cli_parts import (
    NOTHING,
    begin_loading,
    check_questions,
    make_display,
    open_corpus,
    open_graph,
    read_where,
    refuse_with_graph,
    show_run,
    was_given,
)
from .options import (
    DEFAULT_INDEX,
    AllowImports,
    AsJson,
    GpuLayers,
    Index,
    Mode,
    Model,
    OwnIndex,
    OwnModel,
    QuoteOnly,
    TopK,
    Trace,
    Where,
)

if TYPE_CHECKING:
    from ..stores.corpus import Corpus
    from .display import Display
    from .graph import RagGraph, RagState


def demo_command(
    question: Annotated[
        str | None, typer.Argument(help="A question about Python; without one, three are asked.")
    ] = None,
    model: Model = "embedded",
    gpu_layers: GpuLayers = 0,
    quote: QuoteOnly = False,
    as_json: AsJson = False,
) -> None:
    """Ask the language reference that comes with every Python."""
    from .ask import preset
    from .demo import QUESTIONS, open_reference
    from .graph.rag_graph import RagGraph

    display = make_display(as_json)
    questions = QUESTIONS if question is None else [question]
    check_questions(questions)
    llm = None if quote else begin_loading(model, gpu_layers)
    with showing_progress(display, "indexing Python's reference, once") as on_progress:
        corpus = open_reference(on_progress)
    with corpus:
        _ask_all(display, questions, RagGraph(preset(with_llm=not quote), corpus=corpus, llm=llm), with_trace=True)


def ask_command(
    context: typer.Context,
    question: Annotated[str, typer.Argument(help="What to answer.")],
    index: OwnIndex = None,
    over: Annotated[
        Path | None, typer.Option("--over", help="Answer over this folder or file; indexes it first.")
    ] = None,
    graph: Annotated[
        str, typer.Option("--graph", "-g", help="A preset (see ragloom graph list) or a YAML file.")
    ] = "default",
    model: OwnModel = None,
    gpu_layers: GpuLayers = 0,
    k: TopK = 8,
    mode: Mode = "hybrid",
    where: Where = "",
    quote: QuoteOnly = False,
    trace: Trace = False,
    allow_imports: AllowImports = False,
    as_json: AsJson = False,
) -> None:
    """Answer a question from an index, with citations."""
    from .ask import ASKS, preset
    from .graph.reading import load_spec

    display = make_display(as_json)
    if over is not None and index is not None:
        raise RagloomError("--index is of no use with --over, which keeps an index of its own in the cache")
    check_questions([question], k, mode)
    conditions = read_where(where)
    if graph in ASKS:
        spec = preset(with_llm=graph == "default" and not quote, k=k, mode=mode, where=conditions)  # type: ignore[arg-type]  # checked above
    else:
        refuse_with_graph(context, graph, "k", "mode", "where", "quote")
        spec = load_spec(graph)
    with ExitStack() as opened:
        corpus = None if over is None else opened.enter_context(_open_over(over))
        asked = opened.enter_context(
            open_graph(spec, corpus, index=index, model=model, gpu_layers=gpu_layers, allow_imports=allow_imports)
        )
        if over is not None and corpus is not None:
            check_not_empty(corpus, [str(over)], ingest_into(display, [str(over)], corpus))
        _ask_all(display, [question], asked, with_trace=trace)


def search_command(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="What to find.")],
    index: Index = DEFAULT_INDEX,
    k: TopK = 10,
    mode: Mode = "hybrid",
    where: Where = "",
    explain: Annotated[
        bool, typer.Option("--explain", help="Let the LLM read what was found, and mark what it attends to.")
    ] = False,
    model: Model = "embedded",
    gpu_layers: GpuLayers = 0,
    as_json: AsJson = False,
) -> None:
    """Find chunks in an index."""
    display = make_display(as_json)
    for name in ("model", "gpu_layers"):
        if not explain and was_given(context, name):
            raise RagloomError(f"--{name.replace('_', '-')} is of no use without --explain: no LLM is asked")
    conditions = read_where(where)
    load = begin_loading(model, gpu_layers) if explain else None
    with open_corpus(index) as corpus:
        hits = corpus.search(query, k=k, mode=mode, where=conditions)  # type: ignore[arg-type]  # search checks it
    if load and hits:
        from .rerank.marking import mark

        with load() as llm:
            hits, notes = mark(query, hits, llm)
        for note in notes:
            display.note(note)
    display.hits(hits)
    if not hits:
        display.line("nothing found")
        raise typer.Exit(NOTHING)


def _open_over(over: Path) -> Corpus:
    from .cache import index_over, open_index
    from .ingest import check_paths

    check_paths([str(over)])
    return open_index(index_over(over))


def _ask_all(display: Display, questions: list[str], graph: RagGraph, *, with_trace: bool) -> None:
    from .ask import own_errors

    states: list[RagState] = []
    with own_errors():
        for question in questions:
            if len(questions) > 1:
                display.heading(f"\n> {question}" if states else f"> {question}")
            states.append(show_run(display, graph, question, with_trace=with_trace))
    display.data(states[0].as_dict() if len(states) == 1 else [state.as_dict() for state in states])
    if not any(state.answer and state.answer.known for state in states):
        raise typer.Exit(NOTHING)
