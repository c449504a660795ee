"""`ragloom eval` and `ragloom tune`: which graph is better, and with which settings."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._explain import count
from ..errors import RagloomError
from .cli_parts import make_display
from .options import DEFAULT_INDEX, AllowImports, AsJson, GpuLayers, OwnIndex, OwnModel

if TYPE_CHECKING:
    from .display import Display
    from .evaluate import Dataset, Progress, Result, Tuned
    from .evaluate.tuning.search import Trial
    from .graph import GivenLlm

Data = Annotated[
    Path,
    typer.Option(
        "--data",
        help="Questions as CSV or JSON lines; or a folder in BEIR's form, of MuSiQue, CLAP NQ, TimeQA or LoCoMo.",
    ),
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="At most so many questions, chosen at random.")]
Seed = Annotated[int, typer.Option("--seed", help="Which ones: equal seeds choose the same.")]


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

    display = make_display(as_json)
    dataset = read_dataset(data, split=split, limit=limit, seed=seed)
    with _progress(display) as tell:
        result = evaluate(
            graph,
            dataset,
            corpus=index or _default_index(graph, dataset),
            llm=_llm(graph, model, gpu_layers),
            out=out,
            retrieval=measure or RETRIEVAL,
            allow_imports=allow_imports,
            on_progress=tell,
        )
    report = result.write_report(out / "report.html")
    display.data({"dataset": dataset.name, "questions": len(dataset), "rows": result.table(), "report": str(report)})
    display.line(f"{dataset.name}{f' {split}' if split else ''}: {count(len(dataset), 'question')}")
    show_table(display, result)
    _tell_failures(display, result)
    display.line(f"report: {report}")


def show_table(display: Display, result: Result) -> None:
    """Every figure with its interval, and how far it is from the first graph's."""
    from .evaluate.report.page import number, span

    columns = ["measure", "graph", "value", "95%"]
    if len(result) > 1:
        columns += [f"less {result.first.name}", "95% of that"]
    rows = []
    for row in result.table():
        cells = [row["measure"], row["graph"], number(row["value"]), span(row["low"], row["high"])]
        if "difference" in row:
            cells += [number(row["difference"]), span(row["difference low"], row["difference high"])]
        rows.append([*cells, *[""] * (len(columns) - len(cells))])
    display.table(columns, rows)


def _default_index(graphs: list[str], dataset: Dataset) -> Path | None:
    """The default index, where neither the dataset nor a graph has documents of its own."""
    from .graph.reading import load_spec

    has_own = dataset.documents or any(load_spec(graph).corpus for graph in graphs)
    return None if has_own else DEFAULT_INDEX


def _llm(graphs: list[str], model: str | None, gpu_layers: int) -> GivenLlm:
    """The LLM that was named, else the embedded one where no graph names its own."""
    from .graph.reading import load_spec
    from .llm.loading import load

    if model is None and any(load_spec(graph).llm for graph in graphs):
        return None
    named = model or "embedded"
    return (lambda: load(named, n_gpu_layers=gpu_layers)) if gpu_layers else named


def _tell_failures(display: Display, result: Result) -> None:
    for name, outcome in result.items():
        failed = [record for record in outcome.records if record.error]
        if failed:
            display.note(f"{name}: {count(len(failed), 'question')} failed; the first: {failed[0].error}")
    if all(record.error for outcome in result.values() for record in outcome.records):
        raise RagloomError("every run failed")


@contextmanager
def _progress(display: Display) -> Iterator[Callable[[Progress], None]]:
    with display.progress("evaluating") as show:
        yield lambda progress: show(progress.done, progress.total, f"runs, {_left(progress.seconds_left)} left")


def _left(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else f"{seconds} s"


def tune_command(
    graph: Annotated[str, typer.Argument(help="A preset, or a YAML file.", metavar="GRAPH")],
    space: Annotated[Path, typer.Option("--space", help="YAML: what each setting may be.")],
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="Folder of the tuned graph and of the trials.")],
    split: Annotated[str, typer.Option("--split", help="Part of the dataset to choose by.")] = "train",
    test_split: Annotated[str, typer.Option("--test-split", help="Part to report on, which nothing is chosen by.")] = (
        "test"
    ),
    measure: Annotated[str, typer.Option("--measure", help="What to tune for: nDCG@10, F1, accuracy, ...")] = "",
    budget: Annotated[str, typer.Option("--budget", help="How long to search: 90s, 30m, 2h.")] = "10m",
    trials: Annotated[int | None, typer.Option("--trials", min=1, help="At most so many settings.")] = None,
    limit: Limit = None,
    seed: Seed = 0,
    index: OwnIndex = None,
    model: OwnModel = None,
    gpu_layers: GpuLayers = 0,
    allow_imports: AllowImports = False,
    as_json: AsJson = False,
) -> None:
    """Search a graph's settings on a budget, and tell what the best ones gain on other questions."""
    from .evaluate import read_dataset, tune
    from .evaluate.tuning.writing import as_yaml

    display = make_display(as_json)
    seconds = _seconds(budget)
    train = read_dataset(data, split=split, limit=limit, seed=seed)
    test = read_dataset(data, split=test_split, limit=limit, seed=seed)
    out.mkdir(parents=True, exist_ok=True)
    log = out / "trials.jsonl"
    log.unlink(missing_ok=True)
    tuned = tune(
        graph,
        space,
        train,
        test,
        measure=measure or _measure(train),
        seconds=seconds,
        corpus=index or _default_index([graph], train),
        llm=_llm([graph], model, gpu_layers),
        trials=trials,
        seed=seed,
        out=out,
        allow_imports=allow_imports,
        on_trial=lambda trial: _tell_trial(display, trial, log),
    )
    source = f"{data.name} {split} ({len(train)}), tested on {test_split} ({len(test)})"
    file = out / "tuned.yaml"
    file.write_text(as_yaml(tuned, source=graph, data=source, folder=out), encoding="utf-8")
    _show_tuned(display, tuned, file)


def _show_tuned(display: Display, tuned: Tuned, file: Path) -> None:
    from dataclasses import asdict

    gains = {"train": tuned.train_gain, "test": tuned.test_gain}
    display.data(
        {
            "measure": tuned.measure,
            "settings": dict(tuned.best.settings),
            "trials": len(tuned.trials),
            "gains": {name: {key: _told(value) for key, value in asdict(gain).items()} for name, gain in gains.items()},
            "test": tuned.test.table(),
            "graph": str(file),
        }
    )
    display.heading(f"{count(len(tuned.trials), 'trial')}; on questions that nothing was chosen by:")
    show_table(display, tuned.test)
    for path, value in tuned.best.settings.items():
        display.line(f"{path}: {value}")
    if not tuned.best.settings:
        tried = count(len(tuned.trials) - 1, "other setting")
        display.line(f"the graph stays as it is written: {tried} tried, none of them better")
    elif not tuned.test_gain.is_clear:
        display.line(f"what it gains in {tuned.measure} may be chance: the interval holds 0")
    display.line(f"written to {file}")


def _tell_trial(display: Display, trial: Trial, log: Path) -> None:
    told = ", ".join(f"{path.removeprefix('nodes.')} {value}" for path, value in trial.settings.items())
    display.note(f"{trial.value:.4f}  {told or 'as it is written'}")
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"value": _told(trial.value), "settings": dict(trial.settings)}) + "\n")


def _told(value: float) -> float | None:
    """The same, but JSON has no NaN."""
    return None if math.isnan(value) else value


def _measure(dataset: Dataset) -> str:
    """What to tune for where nothing is said: F1 where right answers are known, else the ranking."""
    return "F1" if any(question.answers for question in dataset.questions) else "nDCG@10"


def _seconds(budget: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?) *(s|m|min|h)?", budget.strip())
    if match is None or float(match[1]) <= 0:
        raise typer.BadParameter(f"{budget!r} is no time; write it like 90s, 30m or 2h", param_hint="--budget")
    return float(match[1]) * {"h": 3600, "m": 60, "min": 60}.get(match[2] or "s", 1)
