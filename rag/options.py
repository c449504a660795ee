"""Options that several commands of `ragloom` share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

DEFAULT_INDEX = Path("ragloom-index")
"""The index where none is named, in the folder that the command is started in."""


def _whole(least: int) -> Callable[[str], int]:
    """A parser for whole numbers; typer's own does not repeat the value that it refuses."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise typer.BadParameter(f"{text!r} is not a whole number from {least}")
        return number

    return parse


AllowImports = Annotated[
    bool, typer.Option("--allow-imports", help="Trust the graph: run its modules, send its servers the key.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Index = Annotated[Path, typer.Option("--index", "-i", help="Folder of the index.")]
OwnIndex = Annotated[
    Path | None,
    typer.Option("--index", "-i", help=f"Folder of the index; by default the graph's own, or {DEFAULT_INDEX}."),
]
IndexArgument = Annotated[Path, typer.Argument(help="Folder of the index.")]
Model = Annotated[
    str, typer.Option("--model", "-m", help="LLM: embedded, a GGUF file, hf:OWNER/REPO/FILE, or a server's URL.")
]
OwnModel = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="LLM: embedded, a GGUF file, hf:OWNER/REPO/FILE, a server's URL; by default the graph's, or embedded.",
    ),
]
Trace = Annotated[bool, typer.Option("--trace", help="Show what each node did and cost.")]
GpuLayers = Annotated[
    int,
    typer.Option(
        "--gpu-layers", parser=_whole(-1), metavar="INTEGER", help="Layers of the LLM to put on the GPU; -1: all."
    ),
]
TopK = Annotated[int, typer.Option("-k", parser=_whole(1), metavar="INTEGER", help="How many chunks to find.")]
QuoteOnly = Annotated[bool, typer.Option("--quote", help="Exact quotes only; no LLM is loaded.")]
Mode = Annotated[str, typer.Option("--mode", help="hybrid, dense or lexical.")]
Where = Annotated[str, typer.Option("--where", help="""Metadata conditions as JSON: {"year": {"$gte": 2020}}.""")]
Data = Annotated[
    Path,
    typer.Option(
        "--data",
        help="Questions as CSV or JSON lines; or a folder in BEIR's form, of MuSiQue, CLAP NQ, TimeQA or LoCoMo.",
    ),
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="At most so many questions, chosen at random.")]
Seed = Annotated[int, typer.Option("--seed", help="Which ones: equal seeds choose the same.")]
