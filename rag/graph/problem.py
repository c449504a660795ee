"""What is wrong with a graph, and where it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Keys = tuple[str | int, ...]
"""The way to a value in a graph's YAML: `("nodes", "rerank", "keep")`, `("flow", 1, "when")`."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a person has to change before a graph can run.

    Attributes:
        path: the key or place: `nodes.rerank.keep`, `flow[1].when`; `graph` for the whole of it.
        message: what is wrong, and what to do.
        line: where that is written, from 1; None for a graph that was built in Python.
        file: the YAML file, or empty.
    """

    path: str
    message: str
    line: int | None = None
    file: str = ""

    def __str__(self) -> str:
        line = "" if self.line is None else f"{self.file}:{self.line}: " if self.file else f"line {self.line}: "
        return f"{line}{self.path}: {self.message}"


def spelt(keys: Sequence[str | int]) -> str:
    """Keys as a person writes them.

    ```python
    from ragloom.rag.graph.problem import spelt

    print(spelt(("nodes", "fuse", "of", 0)))  # -> nodes.fuse.of[0]
    ```
    """
    parts = [f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys]
    return "".join(parts).removeprefix(".") or "graph"


def keys_of(problem: ErrorDetails, value: Any) -> Keys:
    """Where in `value` a problem of pydantic lies, without the marks of unions and keys that pydantic puts between."""
    keys: list[str | int] = []
    for part in problem["loc"]:
        is_key = isinstance(value, Mapping) and part in value
        is_place = isinstance(value, list | tuple) and isinstance(part, int) and part < len(value)
        if is_key or is_place:
            keys.append(part)
            value = value[part]
    return (*keys, problem["loc"][-1]) if problem["type"] == "missing" else tuple(keys)
