"""Errors of graphs."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import RagloomError
from .problem import Problem


class GraphError(RagloomError):
    """A graph cannot be read, built or run."""


class SpecError(GraphError, ValueError):
    """A graph is written wrongly.

    Attributes:
        problems: everything that is wrong, in the order it is written.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Tell all `problems`, a line each."""
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, problems)))


class FlowError(GraphError, ValueError):
    """A line of the flow cannot be read."""


class ConditionError(GraphError, ValueError):
    """A condition cannot be read."""


class NodeTypeError(GraphError, TypeError):
    """A node type or predicate is declared wrongly, or cannot be imported."""


class CancelledError(GraphError):
    """Nobody waits for the node any longer."""


class NodeError(GraphError):
    """A node failed; what it raised is the cause.

    Attributes:
        node: its name in the graph.
    """

    def __init__(self, node: str, message: str) -> None:
        """Tell which `node`, and what happened."""
        self.node = node
        super().__init__(f"the node {node!r} {message}")


class NodeTimeoutError(NodeError, TimeoutError):
    """A node did not end in time."""


class ResultError(NodeError, TypeError):
    """A node returned what it may not: no mapping, a key it does not declare, or a value of the wrong type."""


class StalledError(GraphError):
    """A run came to no end: a node waits for others that will never run."""


class ThreadError(GraphError):
    """There is no such run to resume, or nowhere to look for it."""
