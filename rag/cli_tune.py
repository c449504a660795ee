"""`ragloom tune`: which settings of a graph are better."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._explain import count
from .cli_evaluate import evaluating, given_of, show_table
from .cli_parts import make_display
from .options import AllowImports, AsJson, Data, GpuLayers, Limit, OwnIndex, OwnModel, Seed

if TYPE_CHECKING:
    from .display import Display
    from .evaluate import Dataset, Tuned
    from .evaluate.tuning.search import Trial


def tune_command(
    graph: Annotated[str, typer.Argument(help="A preset, or a YAML file.", metavar="GRAPH")],
    space: Annotated[Path, typer.Option("--space", help="YAML: what each setting may be.")],
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="Folder of the tuned graph and of the trials.")] = Path("tuned"),
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
    from .evaluate import Search, read_dataset, tune
    from .evaluate.log import locked
    from .evaluate.tuning.writing import as_yaml

    display = make_display(as_json)
    seconds = _seconds(budget)
    train = read_dataset(data, split=split, limit=limit, seed=seed)
    test = read_dataset(data, split=test_split, limit=limit, seed=seed)
    log = out / "trials.jsonl"
    search = Search(space, measure or _measure(train), seconds, trials, seed)
    named = given_of(index, model, gpu_layers, allow_imports=allow_imports)
    with locked(out), evaluating(display) as tell:
        tuned = tune(
            graph,
            train,
            test,
            search,
            named,
            out=out,
            on_trial=lambda trial: _tell_trial(display, trial, log),
            on_progress=tell,
        )
    source = f"{data.name} {split} ({len(train)}), tested on {test_split} ({len(test)})"
    file = out / "tuned.yaml"
    file.write_text(as_yaml(tuned, source=graph, data=source, folder=out), encoding="utf-8")
    _show_tuned(display, tuned, file)


def _show_tuned(display: Display, tuned: Tuned, file: Path) -> None:
    from dataclasses import asdict

    from .evaluate.tuning.writing import said

    gains = {"train": tuned.train_gain, "test": tuned.test_gain}
    display.data(
        {
            "measure": tuned.measure,
            "settings": dict(tuned.best.settings),
            "trials": len(tuned.trials),
            "gains": {name: asdict(gain) for name, gain in gains.items()},
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
    else:
        display.line(f"gained in {tuned.measure} on questions that nothing was chosen by: {said(tuned.test_gain)}")
        if tuned.test_gain.low <= 0 <= tuned.test_gain.high:
            display.line("that may be chance: the interval holds 0")
    display.line(f"written to {file}")


def _tell_trial(display: Display, trial: Trial, log: Path) -> None:
    told = ", ".join(f"{path.removeprefix('nodes.')} {value}" for path, value in trial.settings.items())
    failed = f"  ({trial.failed:.0%} failed)" if trial.failed else ""
    display.note(f"{trial.value:.4f}  {told or 'as it is written'}{failed}")
    line = {"value": _told(trial.value), "failed": trial.failed, "settings": dict(trial.settings)}
    if not trial.settings and log.exists():  # another search begins it anew
        log.replace(log.with_name("trials-before.jsonl"))
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


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
