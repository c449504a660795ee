"""The flow: which node comes after which.

`start -> [dense, lexical] -> fuse -> end` is a line of edges. A list before an arrow is waited for as a whole; a list
after one runs in parallel. Its brackets may be left out, for YAML wants quotes around a text that begins with one:
`dense, lexical -> fuse`. Mappings are decisions, see `rag.graph.spec.DecisionSpec`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from .errors import FlowError
from .spec import END, NAME, START, DecisionSpec

_NAME = re.compile(NAME)
_LIST = re.compile(r"\[(.*)\]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Edge:
    """`target` runs when all of `sources` have run; `item` is its place in the flow, from 0."""

    sources: tuple[str, ...]
    target: str
    item: int


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision and its place in the flow, from 0."""

    spec: DecisionSpec
    item: int


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow that has been read.

    Attributes:
        edges: in the order written; those with more than one source are joins.
        decisions: in the order written, which is the order that those from one node are tried in.
    """

    edges: tuple[Edge, ...] = ()
    decisions: tuple[Decision, ...] = ()

    def targets(self, source: str) -> tuple[str, ...]:
        """The nodes that an edge, not a decision, leads to from `source`."""
        return tuple(dict.fromkeys(edge.target for edge in self.edges if source in edge.sources))

    def decisions_from(self, source: str) -> tuple[Decision, ...]:
        """The decisions after `source`, in the order they are tried in."""
        return tuple(decision for decision in self.decisions if decision.spec.source == source)


def read_edges(text: str, item: int = 0) -> list[Edge]:
    """Read a line of edges.

    ```python
    from ragloom.rag.graph.flow import read_edges

    for edge in read_edges("start -> [dense, lexical] -> fuse -> end"):
        print(edge.sources, edge.target)
    # -> ('start',) dense
    # -> ('start',) lexical
    # -> ('dense', 'lexical') fuse
    # -> ('fuse',) end
    ```

    Args:
        text: the line.
        item: its place in the flow, from 0.

    Raises:
        FlowError: it cannot be read.
    """
    terms = [_read_term(term.strip(), text) for term in text.split("->")]
    if len(terms) == 1:
        raise FlowError(f"{text!r} leads nowhere; write FROM -> TO")
    if (END,) in terms[:-1]:
        raise FlowError(f"nothing comes after {END!r}; it stands last")
    if (START,) in terms[1:]:
        raise FlowError(f"nothing leads to {START!r}; it stands first")
    return [Edge(sources, target, item) for sources, targets in pairwise(terms) for target in targets]


def _read_term(term: str, text: str) -> tuple[str, ...]:
    match = _LIST.fullmatch(term)
    names = tuple(name.strip() for name in (match.group(1) if match else term).split(","))
    for name in names:
        if not name:
            raise FlowError(f"a name is missing in {text!r}; write FROM -> TO")
        if not _NAME.fullmatch(name):
            raise FlowError(f"cannot read {name!r}; write a node's name, or several as [dense, lexical]")
        if (match or len(names) > 1) and name in {START, END}:
            raise FlowError(f"{name!r} cannot be in a list")
    if len(set(names)) < len(names):
        raise FlowError(f"{_repeated(names)!r} is repeated in {term}")
    return names


def _repeated(names: Iterable[str]) -> str:
    seen: set[str] = set()
    return next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
