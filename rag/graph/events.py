"""What is told while a graph runs; `RagGraph.stream` gives these, and the state at the end."""

from __future__ import annotations

from dataclasses import dataclass

from .state import NodeTrace


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """A node begins."""

    node: str


@dataclass(frozen=True, slots=True)
class NodeEnded:
    """A node has ended, and `trace` is what it did."""

    node: str
    trace: NodeTrace


@dataclass(frozen=True, slots=True)
class NodeFailed:
    """A node raised an error.

    Attributes:
        node: its name in the graph.
        error: what it raised.
        then: what is done about it: `retry`, `skip`, `fallback NODE` or `fail`.
    """

    node: str
    error: str
    then: str


@dataclass(frozen=True, slots=True)
class Token:
    """Text that an LLM has written in a node: a token or a few."""

    node: str
    text: str


Event = NodeStarted | NodeEnded | NodeFailed | Token
