"""The `ragloom` command: parse, call, print.

Exit codes: 0 done; 1 done, but there is nothing to show for it (no hit, "I don't know", a check that failed, nobody who
reads the output to its end); 2 bad input or a fault, told in one line on standard error; 130 interrupted.

Whatever can be checked without loading a model is checked first.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .._explain import count
from .._paths import expand_user
from ..errors import RagloomError
from .cli_chat import chat_command
from .cli_evaluate import eval_command
from .cli_graph import graph_app
from .cli_heads import heads_app
from .cli_memory import memory_app
from .cli_parts import (
    FAULT,
    INTERRUPTED,
    NOTHING,
    begin_loading,
    check_questions,
    make_display,
    open_corpus,
    open_graph,
    read_where,
    refuse_with_graph,
    show_run,
)
from .cli_tune import tune_command
from .options import (
    DEFAULT_INDEX,
    AllowImports,
    AsJson,
    GpuLayers,
    Index,
    IndexArgument,
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
    from .ingest import IngestProgress, IngestReport

app = typer.Typer(
    help="Answers from your own documents, on your own machine.",
    epilog="Exit codes: 0 done; 1 nothing found or a check failed; 2 bad input or a fault; 130 interrupted.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
corpus_app = typer.Typer(help="Look after an index.", rich_markup_mode=None)
cache_app = typer.Typer(help="Look after the cache of prepared models and demo data.", rich_markup_mode=None)
app.command("chat")(chat_command)
app.add_typer(graph_app, name="graph")
app.add_typer(heads_app, name="heads")
app.add_typer(memory_app, name="memory")
app.add_typer(corpus_app, name="corpus")
app.add_typer(cache_app, name="cache")


def main() -> None:
    """Run the command; a fault that is foreseen becomes one line on standard error."""
    try:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # not every terminal has every letter
        code = app(standalone_mode=False, prog_name="ragloom")
        if sys.stdout is not None:  # it may be closed: ragloom ... >&-
            sys.stdout.flush()
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        hint = f" (see {context.command_path} --help)" if context else ""
        code = _fault(f"{error.format_message().rstrip('.')}{hint}")
    except RagloomError as error:
        problems = getattr(error, "problems", None) or [error]  # a graph may have several
        code = [_fault(str(problem)) for problem in problems][-1]
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at exit
        code = NOTHING
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        code = _fault(f"{error.strerror or error}{where}")
    except KeyboardInterrupt:
        code = INTERRUPTED
        if any(thread.name.startswith("ragloom-") for thread in threading.enumerate()):
            if sys.stdout is not None:
                sys.stdout.flush()
            os._exit(code)  # what still loads cannot be stopped, and aborts when Python ends under it
    sys.exit(code)


def _fault(message: str) -> int:
    print(f"ragloom: {' '.join(message.split())}", file=sys.stderr)
    return FAULT


@app.callback(invoke_without_command=True)
@graph_app.callback(invoke_without_command=True)
@heads_app.callback(invoke_without_command=True)
@memory_app.callback(invoke_without_command=True)
@corpus_app.callback(invoke_without_command=True)
@cache_app.callback(invoke_without_command=True)
def _help(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(FAULT)


@app.command("demo")
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
    with _progress(display, "indexing Python's reference, once") as on_progress:
        corpus = open_reference(on_progress)
    with corpus:
        _ask_all(display, questions, RagGraph(preset(with_llm=not quote), corpus=corpus, llm=llm), with_trace=True)


@app.command("ingest")
def ingest_command(
    paths: Annotated[list[str], typer.Argument(help="Files, folders, or pydoc: for Python's reference.")],
    into: Annotated[Path, typer.Option("--into", help="Folder of the index.")] = DEFAULT_INDEX,
    include: Annotated[list[str], typer.Option(help="Only files that match; may be repeated.")] = [],  # noqa: B006
    exclude: Annotated[list[str], typer.Option(help="No files that match; may be repeated.")] = [],  # noqa: B006
    text_field: Annotated[str, typer.Option(help="Field of JSONL and CSV with the text.")] = "text",
    language: Annotated[str | None, typer.Option(help="Language of a new index: en, de, ... or other.")] = None,
    embedder: Annotated[str | None, typer.Option(help="Embedder of a new index: a model's name or folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """Read documents into an index; unchanged files cost nothing, vanished ones go."""
    from ..stores.corpus import Corpus
    from .ingest import check_paths

    check_paths(paths, include=include, exclude=exclude)
    display = make_display(as_json)
    with Corpus(into, language=language, embedder=embedder) as corpus:
        report = _ingest(display, paths, corpus, include=include, exclude=exclude, text_field=text_field)
        _check_not_empty(corpus, paths)
        display.data(report.as_dict())
        display.line(report.summary())


@app.command("ask")
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
            _ingest(display, [str(over)], corpus)
            _check_not_empty(corpus, [str(over)])
        _ask_all(display, [question], asked, with_trace=trace)


@app.command("search")
def search_command(
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


@corpus_app.command("stats")
def corpus_stats_command(index: IndexArgument = DEFAULT_INDEX, as_json: AsJson = False) -> None:
    """What is in an index."""
    display = make_display(as_json)
    with open_corpus(index) as corpus:
        stats = corpus.stats()
    display.data(asdict(stats))
    embedder = f"{stats.embedder.name} ({stats.embedder.dimension} dimensions)" if stats.embedder else "none yet"
    shown = {**asdict(stats), "embedder": embedder}
    display.table(["what", "value"], [[name.replace("_", " "), str(value)] for name, value in shown.items()])


@corpus_app.command("repair")
def corpus_repair_command(
    index: IndexArgument = DEFAULT_INDEX,
    reembed: Annotated[bool, typer.Option("--reembed", help="Make every vector again.")] = False,
    embedder: Annotated[str | None, typer.Option(help="Embedder for --reembed.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make both indexes, of words and of meaning, again from the database."""
    display = make_display(as_json)
    with open_corpus(index, embedder=embedder) as corpus:
        report = corpus.repair(reembed=reembed)
    display.data(asdict(report))
    display.line(f"{count(report.chunks, 'chunk')}, both indexes made again")
    if report.cut:
        display.line(
            f"{report.cut} chunks are longer than what the embedder reads; ingest again, and they are split to fit"
        )
    for line in report.inconsistencies:
        display.line(line)
    if report.inconsistencies:
        raise typer.Exit(NOTHING)


@cache_app.command("info")
def cache_info_command(as_json: AsJson = False) -> None:
    """What is in the cache, and where it is."""
    from .cache import entries, folder

    display = make_display(as_json)
    found = entries()
    display.data({"folder": str(folder()), "entries": [{"name": entry.name, "bytes": entry.size} for entry in found]})
    display.line(str(folder()))
    display.table(["entry", "MB"], [[entry.name, f"{entry.size / 1e6:,.1f}"] for entry in found])


@cache_app.command("clear")
def cache_clear_command(as_json: AsJson = False) -> None:
    """Delete the cache; everything in it is made again when it is needed."""
    from .cache import clear

    display = make_display(as_json)
    freed = clear()
    display.data({"freed_bytes": freed})
    display.line(f"freed {freed / 1e6:,.1f} MB")


@app.command("doctor")
def doctor_command(
    index: Annotated[Path | None, typer.Option("--index", "-i", help="Check this index too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check versions, models, CPU and an index; says what is missing and the command that fixes it."""
    from .doctor import examine

    display = make_display(as_json)
    findings = examine(expand_user(index) if index else None)
    display.data([asdict(finding) for finding in findings])
    display.table(
        ["", "what", "found"], [["ok" if finding.ok else "!!", finding.name, finding.value] for finding in findings]
    )
    problems = [finding for finding in findings if not finding.ok]
    for finding in problems:
        display.line(f"fix {finding.name}: {finding.fix}")
    if problems:
        raise typer.Exit(NOTHING)


app.command("eval")(eval_command)
app.command("tune")(tune_command)


def _check_not_empty(corpus: Corpus, paths: list[str]) -> None:
    if not len(corpus):
        raise RagloomError(
            f"there is nothing to read in {', '.join(paths)}; "
            "ragloom reads Markdown, text, HTML, PDF, DOCX, JSONL and CSV files"
        )


@contextmanager
def _progress(display: Display, what: str) -> Iterator[Callable[[IngestProgress], None]]:
    """Show how far an ingest is.

    Python drops an interrupt that falls into a callback from C or a finalizer, so the next file raises it again.
    """
    interrupted: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        interrupted.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, remember)
    try:
        with display.progress(what) as show:

            def tell(event: IngestProgress) -> None:
                if interrupted:
                    raise KeyboardInterrupt
                show(event.done, event.total, event.path)

            yield tell
    finally:
        signal.signal(signal.SIGINT, before)


def _ingest(display: Display, paths: list[str], corpus: Corpus, **options: Any) -> IngestReport:
    from .ingest import ingest

    with _progress(display, "indexing") as on_progress:
        report = ingest(paths, corpus, on_progress=on_progress, **options)
    for skipped in report.skipped:
        display.note(f"skipped {skipped.path}: {skipped.reason}")
    return report


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


if __name__ == "__main__":
    main()
