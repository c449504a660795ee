"""What a graph costs beside what its nodes do: runs beside bare langgraph, and the check of a large graph.

Six nodes that do nothing, one after the other, on the same channels with the same reducers. `RagGraph` also checks
what a node returns, tells events and keeps a trace; so bare langgraph runs twice: with nodes that do nothing at all
("empty"), and with nodes that write a trace, as one would by hand to get the same state ("traced"). Nodes are plain
functions, in `ainvoke` too. With checkpoints, every run is a thread of its own and kept step by step; langgraph's
savers stay open and wait for the disk, as they do by default, while `RagGraph` opens its file for each run and does
not wait. A stream has the same modes. All take turns in one process, in another order each round; a ratio compares
two runs of one round.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import aiosqlite
import numpy as np
import yaml
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from ragloom.rag.graph import Context, NodeTrace, RagGraph, RagState, Update, check, node
from ragloom.rag.graph.running.channels import Channels, serializer
from report import interval, write

NAMES = [f"node{number}" for number in range(1, 7)]
QUESTION = "Who stole a motor-car?"
VALUES = {"question": QUESTION, "query": QUESTION}
MODES: Any = ["values", "custom", "messages"]
WARM_UP = 20
LARGE = 50
HEAVY = ("torch", "transformers", "sentence_transformers", "llama_cpp", "chromadb")
LIMITS = {"a run, ms": 2.0, "x of empty nodes": 1.5, "check, ms": 50.0}

Kept = dict[str, Callable[[int], Any]]
"""The contestants: each runs once, as the thread of that number."""


@node("nothing")
def nothing(_state: RagState, _context: Context) -> Update:
    """Do nothing."""
    return {}


def do_nothing(_name: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    return lambda _state: {}


def write_a_trace(name: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    def run(_state: Mapping[str, Any]) -> dict[str, Any]:
        started = time.perf_counter()
        return {"trace": [NodeTrace(name, (time.perf_counter() - started) * 1000)]}

    return run


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--rounds", type=int, default=400)
    rounds = options.parse_args().rounds
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        rows = [*_runs(Path(folder), rounds), *asyncio.run(_async_runs(Path(folder), rounds))]
        checks, imported = _checks(Path(folder, "large.yaml"))
    print(f"check in a fresh process imports {', '.join(imported) or 'none'} of {', '.join(HEAVY)}")
    write(
        "graph",
        [*rows, *checks],
        limits=LIMITS,
        imported=imported,
        load=[round(before, 1), round(os.getloadavg()[0], 1)],
    )
    if imported:
        raise SystemExit(1)


def _ragloom(file: Path | None = None) -> RagGraph:
    spec = {"nodes": dict.fromkeys(NAMES, "nothing"), "flow": [f"start -> {' -> '.join(NAMES)} -> end"]}
    return RagGraph(spec, types=[nothing], checkpoints=file)


def _bare(make: Callable[[str], Any], saver: Any = None) -> Any:
    graph: StateGraph[Any] = StateGraph(Channels)
    for name in NAMES:
        graph.add_node(name, make(name))
    for source, target in zip([START, *NAMES], [*NAMES, END], strict=True):
        graph.add_edge(source, target)
    return graph.compile(checkpointer=saver)


def _thread(number: int) -> Any:
    return {"configurable": {"thread_id": f"run {number}"}}


def _runs(folder: Path, rounds: int) -> Iterable[dict[str, object]]:
    ours, empty, traced = _ragloom(), _bare(do_nothing), _bare(write_a_trace)
    yield from _rows(
        "invoke",
        {
            "ours": lambda _: ours.invoke(QUESTION),
            "empty": lambda _: empty.invoke(VALUES),
            "traced": lambda _: traced.invoke(VALUES),
        },
        rounds,
    )
    yield from _rows(
        "stream",
        {
            "ours": lambda _: list(ours.stream(QUESTION)),
            "empty": lambda _: list(empty.stream(VALUES, stream_mode=MODES)),
            "traced": lambda _: list(traced.stream(VALUES, stream_mode=MODES)),
        },
        rounds,
    )
    connections = [sqlite3.connect(folder / f"{name}.sqlite", check_same_thread=False) for name in ("empty", "traced")]
    savers = [SqliteSaver(connection, serde=serializer()) for connection in connections]
    kept, empty, traced = (
        _ragloom(folder / "ours.sqlite"),
        _bare(do_nothing, savers[0]),
        _bare(write_a_trace, savers[1]),
    )
    yield from _rows(
        "invoke, checkpoints",
        {
            "ours": lambda number: kept.invoke(QUESTION, thread=f"run {number}"),
            "empty": lambda number: empty.invoke(VALUES, _thread(number), durability="sync"),
            "traced": lambda number: traced.invoke(VALUES, _thread(number), durability="sync"),
        },
        rounds,
    )
    for connection in connections:
        connection.close()


async def _async_runs(folder: Path, rounds: int) -> list[dict[str, object]]:
    ours, empty, traced = _ragloom(), _bare(do_nothing), _bare(write_a_trace)
    rows = await _async_rows(
        "ainvoke",
        {
            "ours": lambda _: ours.ainvoke(QUESTION),
            "empty": lambda _: empty.ainvoke(VALUES),
            "traced": lambda _: traced.ainvoke(VALUES),
        },
        rounds,
    )
    async with (
        aiosqlite.connect(folder / "async-empty.sqlite") as one,
        aiosqlite.connect(folder / "async-traced.sqlite") as other,
    ):
        kept = _ragloom(folder / "async-ours.sqlite")
        empty = _bare(do_nothing, AsyncSqliteSaver(one, serde=serializer()))
        traced = _bare(write_a_trace, AsyncSqliteSaver(other, serde=serializer()))
        rows += await _async_rows(
            "ainvoke, checkpoints",
            {
                "ours": lambda number: kept.ainvoke(QUESTION, thread=f"run {number}"),
                "empty": lambda number: empty.ainvoke(VALUES, _thread(number), durability="sync"),
                "traced": lambda number: traced.ainvoke(VALUES, _thread(number), durability="sync"),
            },
            rounds,
        )
    return rows


def _rows(what: str, contestants: Kept, rounds: int) -> list[dict[str, object]]:
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for number, name in _turns(contestants, rounds):
        started = time.perf_counter()
        contestants[name](number)
        times[name].append((time.perf_counter() - started) * 1000)
    return [_row(what, times)]


async def _async_rows(what: str, contestants: Kept, rounds: int) -> list[dict[str, object]]:
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for number, name in _turns(contestants, rounds):
        started = time.perf_counter()
        awaitable: Awaitable[Any] = contestants[name](number)
        await awaitable
        times[name].append((time.perf_counter() - started) * 1000)
    return [_row(what, times)]


def _turns(contestants: Kept, rounds: int) -> Iterable[tuple[int, str]]:
    rng = random.Random(0)
    for number in range(WARM_UP + rounds):
        for name in rng.sample(list(contestants), len(contestants)):
            yield number, name


def _row(what: str, times: Mapping[str, list[float]]) -> dict[str, object]:
    ours, empty, traced = (np.asarray(times[name][WARM_UP:]) for name in ("ours", "empty", "traced"))
    row: dict[str, object] = {
        "what": what,
        "ms": float(np.median(ours)),
        "ms empty": float(np.median(empty)),
        "ms traced": float(np.median(traced)),
    }
    for name, others in (("empty", empty), ("traced", traced)):
        low, high = interval(ours / others, of=np.median)
        row[f"x of {name}"] = f"{np.median(ours / others):.2f} ({low:.2f}-{high:.2f})"
    return row


def _checks(file: Path) -> tuple[list[dict[str, object]], list[str]]:
    """The check of a graph of `LARGE` nodes, and what of `HEAVY` a fresh process has imported after it."""
    spec = _large()
    assert len(spec["nodes"]) == LARGE
    file.write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
    sources: Kept = {"a mapping": lambda _: check(spec), "a file": lambda _: check(file)}
    times: dict[str, list[float]] = {name: [] for name in sources}
    for number, name in _turns(sources, rounds=31):
        started = time.perf_counter()
        assert sources[name](number) == []
        times[name].append((time.perf_counter() - started) * 1000)
    rows: list[dict[str, object]] = [
        {"what": f"check, {LARGE} nodes, {name}", "ms": float(np.median(times[name][WARM_UP:]))} for name in sources
    ]
    fresh = [_in_a_fresh_process(file) for _ in range(5)]
    rows.append({"what": "import and check, fresh process", "ms": float(np.median([ms for ms, _ in fresh]))})
    return rows, fresh[0][1]


def _large() -> dict[str, Any]:
    """Rounds of a search on two branches with a way back, one after the other."""
    nodes: dict[str, Any] = {}
    flow: list[Any] = []
    before = "start"
    for part in range(LARGE // 5):
        dense, lexical, fuse, weigh, quote = (
            f"{name}{part}" for name in ("dense", "lexical", "fuse", "weigh", "quote")
        )
        nodes |= {
            dense: {"use": "dense", "k": 50, "retries": 1},
            lexical: {"use": "lexical", "k": 50, "on_error": "skip"},
            fuse: {"use": "rrf", "of": [dense, lexical], "keep": 8},
            weigh: {"use": "gather", "cache": True},
            quote: {"use": "quote", "max_sentences": 5},
        }
        flow.append(f"{before} -> [{dense}, {lexical}] -> {fuse} -> {weigh}")
        flow.append({"from": weigh, "when": "confidence < 0.4", "then": [dense, lexical], "at_most": 2, "else": quote})
        before = quote
    return {"name": "large", "llm": "embedded", "nodes": nodes, "flow": [*flow, f"{before} -> end"]}


def _in_a_fresh_process(file: Path) -> tuple[float, list[str]]:
    """Milliseconds of import and check, and what of `HEAVY` they import."""
    probe = (
        "import sys, time\n"
        "started = time.perf_counter()\n"
        "import ragloom.rag.graph as graph\n"
        "assert graph.check(sys.argv[1]) == []\n"
        f"print((time.perf_counter() - started) * 1000, *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    command = [sys.executable, "-c", probe, str(file)]
    ms, *imported = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(ms), imported


if __name__ == "__main__":
    main()
