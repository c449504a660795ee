"""A process that runs a graph of cats, for the tests that kill it: `graph_child.py TESTS RUNS.sqlite`."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])

from kittens import asks, cat, graph, often
from ragloom.rag.graph import Context, RagGraph, RagState, Update

SLOW = ["b2", "c", "d"]
"""Nodes that say that they have begun, and wait for a line of input."""


def running(checkpoints: Path, ran: list[str], *, waits: bool) -> RagGraph:
    """A row, a fork of different lengths and a loop; every node writes down that it ran."""

    def work(state: RagState, context: Context) -> Update:
        ran.append(context.node)
        if waits:
            sys.stdout.write(f"{context.node}\n")
            sys.stdout.flush()
        if waits and context.node in SLOW:
            sys.stdin.readline()
        return {"extra": {context.node: f"{state.question} {state.extra.get(context.node, '')}x"}}

    names = ["a", "b", "b2", "c", "d", "e"]
    nodes = [cat(name, work, writes=[f"extra.{name}"]) for name in names]
    flow = [
        "start -> a -> [b, c]",
        "b -> b2",
        "[b2, c] -> d",
        {"from": "d", "when": "again", "then": "a", "at_most": 1, "else": "e"},
        "e -> end",
    ]
    return graph(flow, asks("again", often("d", 1)), *nodes, checkpoints=checkpoints)


if __name__ == "__main__":
    running(Path(sys.argv[2]), [], waits=True).invoke("Who?", thread="t")
