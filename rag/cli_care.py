"""`ragloom corpus`, `ragloom cache` and `ragloom doctor`: looking after what is kept, and finding what is missing."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .._explain import count
from .._paths import expand_user
from ..errors import RagloomError
from .cli_parts import NOTHING, make_display, open_corpus
from .options import DEFAULT_INDEX, AsJson, IndexArgument

corpus_app = typer.Typer(help="Look after an index.", rich_markup_mode=None)
cache_app = typer.Typer(help="Look after the cache of prepared models and demo data.", rich_markup_mode=None)


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
    if embedder and not reembed:
        raise RagloomError("--embedder is of no use without --reembed")
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
