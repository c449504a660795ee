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
