"""`ragloom heads`: find the attention heads of a model that rank best."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cli_parts import make_display
from .options import AsJson, GpuLayers, Model

if TYPE_CHECKING:
    from .display import Display
    from .rerank.heads import HeadScores

heads_app = typer.Typer(help="Find the attention heads of a model that rank best.", rich_markup_mode=None)

_SHOWN = 16

Queries = Annotated[int, typer.Option(help="Read at most so many queries.", min=5)]
Data = Annotated[Path, typer.Option("--data", help="A folder in BEIR's form, or JSON lines with labelled documents.")]


@heads_app.command("find")
def find_command(
    data: Data,
    split: Annotated[str, typer.Option(help="Part of a folder; not the one you report on.")] = "train",
    queries: Queries = 100,
    documents: Annotated[int, typer.Option(help="How many documents a query has, where BM25 finds them.", min=2)] = 20,
    task: Annotated[str, typer.Option(help="What the prompt asks for: search or question.")] = "search",
    layers: Annotated[int | None, typer.Option(help="Look at the first ones only; that is faster.", min=1)] = None,
    tokens: Annotated[int | None, typer.Option(help="Read so many of each document; that is faster.", min=16)] = None,
    model: Model = "embedded",
    gpu_layers: GpuLayers = 0,
    as_json: AsJson = False,
) -> None:
    """Let every head rank labelled documents, and keep the order of the heads for this model.

    IcrReranker(heads=16) and the node icr then take the best 16.
    """
    from .llm.engine import LlamaEngine
    from .rerank.head_finding import find_heads
    from .rerank.labelled import read_labelled

    if task not in ("search", "question"):
        raise typer.BadParameter(f"{task!r} is no task; it is search or question", param_hint="--task")
    display = make_display(as_json)
    labelled = read_labelled(data, split=split, documents=documents, queries=queries)
    name = f"{data.name} {split}" if data.is_dir() else data.name
    with LlamaEngine(model, n_gpu_layers=gpu_layers) as engine, display.progress("reading") as tell:
        found = find_heads(
            engine,
            labelled,
            name=name,
            task=task,
            layers=layers,
            tokens=tokens,
            on_progress=lambda done, total: tell(done, total, "queries"),
        )
    path = found.save()
    display.data({"file": str(path), **found.model_dump(mode="json")})
    _print(display, found)
    display.line(f"kept in {path}")


@heads_app.command("show")
def show_command(model: Model = "embedded", as_json: AsJson = False) -> None:
    """Show the best heads of a model that has been looked at."""
    from .llm.models import find_model
    from .rerank.heads import load_heads

    display = make_display(as_json)
    found = load_heads(find_model(model))
    display.data(found.model_dump(mode="json"))
    looked = f"{found.queries} queries of {found.data} with up to {found.documents} documents, task {found.task}"
    display.line(f"{found.model}: the heads of its first {found.layers} layers, from {looked}")
    _print(display, found)


def _print(display: Display, found: HeadScores) -> None:
    """The best heads, and what taking so many of them brings."""
    if found.cut:
        why = f"to {found.tokens} tokens" if found.tokens else "to what the context had room for"
        display.line(f"{found.cut} documents were cut {why}")
    for way, heads, gains in (
        ("together", found.together, found.gains.get("together", ())),
        ("apart", found.apart, found.gains.get("apart", ())),
    ):
        display.heading(f"Passages read {way}: the best heads")
        rows = [[str(each.layer), str(each.head), f"{each.ndcg:.3f}"] for each in heads[:_SHOWN]]
        display.table(["layer", "head", "nDCG@10"], rows)
        if gains:
            display.heading("Heads taken, cross-validated")
            display.table(["heads", "nDCG@10"], [[str(gain.heads or "all"), f"{gain.ndcg:.3f}"] for gain in gains])
