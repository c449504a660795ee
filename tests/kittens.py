"""Graphs of cats that run: each node does what its test says, and nothing but the graph matters."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ragloom.rag.graph import Context, NodeType, Predicate, RagGraph, RagState, node, predicate

Does = Callable[[RagState, Context], Any]


def nothing(state: RagState, context: Context) -> None:
    """What most cats do."""


def cat(name: str, does: Does = nothing, *, reads: Collection[str] = (), writes: Collection[str] = ()) -> NodeType:
    """A node type that does what it is told; async where that is async."""

    def plainly(state: RagState, context: Context) -> Any:
        """Do as told."""
        return does(state, context)

    async def patiently(state: RagState, context: Context) -> Any:
        """Do as told, in its own time."""
        return await does(state, context)

    return node(name, reads=reads, writes=writes)(patiently if inspect.iscoroutinefunction(does) else plainly)


def cats(names: str, does: Does = nothing, *, writes: Collection[str] = ()) -> list[NodeType]:
    """Several that do the same."""
    return [cat(name, does, writes=writes) for name in names.split()]


def asks(name: str, answers: Callable[[RagState], bool]) -> Predicate:
    """A predicate that answers as told."""

    @predicate(name)
    def ask(state: RagState) -> bool:
        """Answer as told."""
        return answers(state)

    return ask


def often(node_name: str, times: int) -> Callable[[RagState], bool]:
    """Whether a node has run fewer than so many times."""
    return lambda state: way(state).count(node_name) < times


def graph(
    flow: str | Sequence[Any],
    *types: NodeType | Predicate,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    **options: Any,
) -> RagGraph:
    """A graph with one node of each type, of the same name; `settings` are what it says of them."""
    names = [kind.name for kind in types if isinstance(kind, NodeType)]
    nodes = {name: {"use": name, **(settings or {}).get(name, {})} for name in names}
    flow = [flow] if isinstance(flow, str) else list(flow)
    return RagGraph({"name": "cats", "nodes": nodes, "flow": flow}, types=types, **options)


class Hanging:
    """What a cat does that never comes back, whatever anybody tells it, until its test is over."""

    def __init__(self) -> None:
        self.begun, self.over = threading.Event(), threading.Event()
        self.contexts: list[Context] = []

    def __call__(self, state: RagState, context: Context) -> None:
        self.contexts.append(context)
        self.begun.set()
        self.over.wait(100)

    @property
    def was_told(self) -> bool:
        """Whether it was told that nobody waits any longer, and nobody did."""
        return not self.over.is_set() and all(context.cancelled.wait(10) for context in self.contexts)


def way(state: RagState) -> list[str]:
    """The nodes that ran, in order."""
    return [trace.node for trace in state.trace]


def details(state: RagState, name: str) -> list[str]:
    """What the trace remarks on each run of a node."""
    return [trace.detail for trace in state.trace if trace.node == name]
