"""`ragloom eval`: which graph is better, by how much, and at what cost."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._explain import count
from ..errors import RagloomError
from .cli_parts import make_display
from .options import DEFAULT_INDEX, AllowImports, AsJson, Data, GpuLayers, Limit, OwnIndex, OwnModel, Seed

if TYPE_CHECKING:
    from .display import Display
    from .evaluate import Given, Result
    from .evaluate.progress import Tell


def eval_command(
    data: Data,
    graph: Annotated[list[str], typer.Option("--graph", "-g", help="A preset, or a YAML file; may be repeated.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the runs and the report; goes on where it stopped.")],
    split: Annotated[str, typer.Option("--split", help="Part of the dataset, such as test; by default all.")] = "",
    limit: Limit = None,
    seed: Seed = 0,
    measure: Annotated[
        list[str], typer.Option("--measure", help="Measure of retrieval, such as R@100; may be repeated.")
    ] = [],  # noqa: B006
    index: OwnIndex = None,
    model: OwnModel = None,
    gpu_layers: GpuLayers = 0,
    allow_imports: AllowImports = False,
    as_json: AsJson = False,
) -> None:
    """Run graphs on the same questions, and tell which is better, by how much, and at what cost."""
    from .evaluate import evaluate, read_dataset
    from .evaluate.measures.ranking import RETRIEVAL
    from .evaluate.report.plots import check_installed

    display = make_display(as_json)
    check_installed()
    dataset = read_dataset(data, split=split, limit=limit, seed=seed)
    given = given_of(index, model, gpu_layers, allow_imports=allow_imports)
    with evaluating(display) as tell:
        result = evaluate(graph, dataset, given, out=out, retrieval=measure or RETRIEVAL, on_progress=tell)
    report = result.write_report(out / "report.html")
    display.data({"dataset": dataset.name, "questions": len(dataset), "rows": result.table(), "report": str(report)})
    display.line(f"{dataset.name}{f' {split}' if split else ''}: {count(len(dataset), 'question')}")
    show_table(display, result)
    _tell_failures(display, result)
    display.line(f"report: {report}")


def show_table(display: Display, result: Result) -> None:
    """Every figure with its interval, and how far it is from the first graph's; a star where that is hardly chance."""
    from .evaluate.report.page import number, span, told_once
    from .evaluate.result import TOO_FEW

    columns = ["measure", "graph", "value", "95%"]
    if len(result) > 1:
        columns += [f"less {result.first.name}", "95% of that"]
    told, rows = result.table(), []
    for measure, row in zip(told_once([row["measure"] for row in told]), told, strict=True):
        cells = [measure, row["graph"], number(row["value"]), span(row["low"], row["high"])]
        if "difference" in row:
            low, high = row["difference low"], row["difference high"]
            cells += [number(row["difference"]) + (" *" if low > 0 or high < 0 else ""), span(low, high)]
        rows.append([*cells, *[""] * (len(columns) - len(cells))])
    display.table(columns, rows)
    if any(not row["low"] <= row["high"] for row in told):
        display.line(f"no interval: {TOO_FEW}")
    if len(result) > 1:
        display.line("* hardly chance: the interval of the difference does not hold 0")


def given_of(index: Path | None, model: str | None, gpu_layers: int, *, allow_imports: bool) -> Given:
    """The index and the LLM that were named; graphs that name none of their own get the usual ones."""
    from .evaluate import Given
    from .llm.loading import load

    named = model or "embedded"
    llm = (lambda: load(named, n_gpu_layers=gpu_layers)) if gpu_layers else named
    given = Given(index, default_corpus=DEFAULT_INDEX, allow_imports=allow_imports)
    return replace(given, llm=llm) if model else replace(given, default_llm=llm)


def _tell_failures(display: Display, result: Result) -> None:
    for name, outcome in result.items():
        failed = [record for record in outcome.records if record.error]
        if failed:
            display.note(f"{name}: {count(len(failed), 'question')} failed; the first: {failed[0].error}")
    if all(record.error for outcome in result.values() for record in outcome.records):
        raise RagloomError("every run failed")


@contextmanager
def evaluating(display: Display) -> Iterator[Tell]:
    """Show how far an evaluation is, with the time left."""
    with display.progress("evaluating") as show:
        yield lambda progress: show(progress.done, progress.total, f"{progress.what}{_left(progress.seconds_left)}")


def _left(seconds: float) -> str:
    if math.isnan(seconds):
        return ""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f", {f'{hours} h {minutes} min' if hours else f'{minutes} min' if minutes else f'{seconds} s'} left"
