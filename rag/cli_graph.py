"""`ragloom graph`: look at RAG graphs, and run them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .._explain import count
from ..errors import RagloomError
from .cli_parts import NOTHING, check_questions, make_display, open_graph, show_run, was_given
from .options import AllowImports, AsJson, GpuLayers, OwnIndex, OwnModel, Trace

graph_app = typer.Typer(help="Look at RAG graphs, and run them.", rich_markup_mode=None)

Source = Annotated[str, typer.Argument(help="A preset, or a YAML file.", metavar="GRAPH")]

Output = Annotated[Path | None, typer.Option("--output", "-o", help="A file; by default standard output.")]

RUNS = Path("ragloom-runs.sqlite")
"""Where runs are kept if no file is named, in the folder that the command is started in."""


@graph_app.command("list")
def list_command(as_json: AsJson = False) -> None:
    """The presets, node types and predicates that there are."""
    from .graph.listing import node_types, predicates, presets_with_descriptions

    display = make_display(as_json)
    presets, nodes, asked = presets_with_descriptions(), node_types(), predicates()
    display.data({"presets": presets, "nodes": nodes, "predicates": asked})
    display.heading("Presets")
    display.table(["name", "what it does"], [[each["name"], each["description"]] for each in presets])
    display.heading("\nNode types")
    display.table(
        ["use", "what it does", "reads", "writes", "needs"],
        [
            [each["name"], each["summary"], *(", ".join(each[key]) for key in ("reads", "writes", "needs"))]
            for each in nodes
        ],
    )
    display.heading("\nConditions")
    display.table(["when", "it is", "reads"], [[e["name"], e["summary"], ", ".join(e["reads"])] for e in asked])


@graph_app.command("validate")
def validate_command(graph: Source, allow_imports: AllowImports = False, as_json: AsJson = False) -> None:
    """Find everything that is wrong with a graph; nothing is loaded."""
    from .graph.checking import plan

    display = make_display(as_json)
    planned, problems = plan(graph, allow_imports=allow_imports)
    if [(problem.path, problem.file, problem.line) for problem in problems] == [("graph", "", None)]:
        raise RagloomError(problems[0].message)  # there is no such graph, so nothing has been checked
    display.problems(problems)
    if problems:
        raise typer.Exit(NOTHING)
    display.line(f"{planned.spec.name or graph}: {count(len(planned.nodes), 'node')}, nothing wrong")


@graph_app.command("schema")
def schema_command(output: Output = None) -> None:
    """The JSON Schema of graphs, from which editors complete."""
    from .graph.schema import json_schema

    _write(json.dumps(json_schema(), indent=2), output)


@graph_app.command("draw")
def draw_command(
    graph: Source,
    svg: Annotated[bool, typer.Option("--svg", help="An SVG picture instead of Mermaid text.")] = False,
    times: Annotated[bool, typer.Option("--times", help="With what each node did in the last run.")] = False,
    output: Output = None,
    allow_imports: AllowImports = False,
) -> None:
    """Draw a graph, as Mermaid text or as SVG."""
    from .graph import drawing
    from .graph.checking import plan
    from .graph.errors import SpecError
    from .graph.last_run import last_run

    planned, problems = plan(graph, allow_imports=allow_imports)
    if problems:
        raise SpecError(problems)
    trace = last_run(planned.spec) if times else []
    if times and not trace:
        raise RagloomError(f"no run of {graph} is known; run it first: ragloom graph run {graph} QUESTION")
    _write((drawing.svg if svg else drawing.mermaid)(planned, trace), output)


@graph_app.command("run")
def run_command(
    context: typer.Context,
    graph: Source,
    question: Annotated[str | None, typer.Argument(help="What to ask; left out with --resume.")] = None,
    index: OwnIndex = None,
    model: OwnModel = None,
    gpu_layers: GpuLayers = 0,
    thread: Annotated[str | None, typer.Option("--thread", help="Keep the run step by step, under this name.")] = None,
    resume: Annotated[str | None, typer.Option("--resume", help="Go on with the run of this name.")] = None,
    checkpoints: Annotated[Path, typer.Option("--checkpoints", help="The file that runs are kept in.")] = RUNS,
    trace: Trace = False,
    allow_imports: AllowImports = False,
    as_json: AsJson = False,
) -> None:
    """Run a graph; one that broke off goes on with --resume."""
    from .graph.reading import load_spec

    display = make_display(as_json)
    if (question is None) == (resume is None):
        raise RagloomError("ask a question, or resume a run: ragloom graph run GRAPH QUESTION | --resume THREAD")
    if resume is not None and thread is not None:
        raise RagloomError("--resume names the run already; leave --thread out")
    if question is not None:
        check_questions([question])
    if thread is None and resume is None and was_given(context, "checkpoints"):
        raise RagloomError("--checkpoints keeps nothing without --thread; name the run")
    kept = None if thread is None and resume is None else checkpoints
    if resume is not None and not checkpoints.is_file():
        raise RagloomError(f"no runs are kept in {checkpoints}; name the file with --checkpoints")
    with open_graph(
        load_spec(graph),
        None,
        index=index,
        model=model,
        gpu_layers=gpu_layers,
        allow_imports=allow_imports,
        checkpoints=kept,
    ) as opened:
        state = show_run(display, opened, question, thread=resume or thread, with_trace=trace)
    display.data(state.as_dict())
    if not (state.answer.known if state.answer else state.documents):
        raise typer.Exit(NOTHING)


def _write(text: str, output: Path | None) -> None:
    text = text.removesuffix("\n") + "\n"
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
