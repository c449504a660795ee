"""Trying a node as a graph would: in a thread or in an event loop, with a time limit, its result checked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from ..errors import GraphError
from ..node_type import NodeType
from ..running.attempts import Attempt, acall, call_apart
from ..running.results import checked
from ..running.run import Run
from ..state import RagState
from .watching import WatchedContext, watched

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from ....stores.corpus import Corpus

NAME = "tried_node"
"""What the node is called while it is tried."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a try.

    Attributes:
        update: what the node returned; None where it failed.
        error: why it failed.
        read: fields of the state that it looked at, spelt as a node type declares them.
        needed: `corpus` and `llm`, where it asked for them.
    """

    update: dict[str, Any] | None = None
    error: Exception | None = None
    read: set[str] = field(default_factory=set)
    needed: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Trial:
    """A node to be tried.

    Attributes:
        kind: its type.
        params: its parameters.
        corpus: for its context, where it declares to need one.
        llm: likewise.
        timeout: seconds that a try may take.
    """

    kind: NodeType
    params: BaseModel
    corpus: Corpus | None
    llm: BaseChatModel | None
    timeout: float

    def run(self, state: RagState, *, in_loop: bool = False, cancelled: bool = False) -> Tried:
        """Try it on a state.

        Args:
            state: what it is given.
            in_loop: as `ainvoke` would; otherwise as `invoke` would.
            cancelled: nobody waits for it: the context says so from the beginning, and an async node is cancelled.
        """
        seen: set[str] = set()
        context = self._context()
        watching = watched(state, seen)
        call = self.kind.bind(self.params)
        attempt = Attempt(NAME, lambda: call(watching, context), self.timeout, context.cancelled, self.kind.is_async)
        if cancelled:
            context.cancelled.set()
        with Run() as run:
            try:
                returned = call_apart(_in_loop(attempt, run) if in_loop else attempt, run)
                return Tried(checked(NAME, self.kind, returned), None, seen, context.needed)
            except Exception as error:  # noqa: BLE001 - that it failed is a result
                return Tried(None, error, seen, context.needed)

    def _context(self) -> WatchedContext:
        return WatchedContext(
            NAME,
            open_corpus=_giving(self.corpus) if "corpus" in self.kind.needs else None,
            load_llm=_giving(self.llm) if self.kind.needs_llm else None,
            open_corpus_of=lambda _: _given(self.corpus),
        )


def _in_loop(attempt: Attempt, run: Run) -> Attempt:
    """The same in a loop, which has a thread of its own, for whoever tests may have one running."""
    return Attempt(NAME, lambda: asyncio.run(acall(attempt, run)), None, threading.Event(), is_async=False)


def _giving(value: Any) -> Callable[[], Any]:
    return lambda: value


def _given(corpus: Corpus | None) -> Corpus:
    if corpus is None:
        raise GraphError("no corpus was given; write check_node(..., corpus=...)")
    return corpus
