"""A node as langgraph runs it: tried as often as it may be, checked, timed, and led on to what comes next.

What is tried when is the same for plain and async functions, so it is written once, as a coroutine that is given how to
try and to pause; under `invoke` those wait for nothing, so it ends at once.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.errors import GraphBubbleUp
from langgraph.types import Command

from ....errors import RagloomError
from ...llm.counting import TokenCount, count_tokens
from ...llm.errors import Cancelled
from ..context import Context
from ..errors import CancelledError, NodeError
from ..events import Event, NodeEnded, NodeFailed, NodeStarted
from ..node_type import NodeType
from ..plan import Plan, PlannedNode, named_by
from ..spec import END
from ..state import NodeTrace, RagState
from .attempts import Attempt, acall, call_apart, call_here
from .caching import ResultCache, read_fields
from .channels import ROUNDS, applied, node_key, to_state
from .resources import Resources
from .results import checked
from .routing import Route, Router
from .run import Run

RUN = "__ragloom_run"
"""Where a run's config has its `Run`."""

FIRST_PAUSE = 0.2
"""Seconds before a node is tried again; each further pause is twice as long."""

Update = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Means:
    """What one run of a node works by.

    Attributes:
        attempt: tries something.
        pause: waits so many seconds before the next try.
        tell: tells whoever listens what happens.
        notes: what is remarked, for the trace.
        shown: how many documents an LLM was given each time, for the trace.
        transient: why the result may be another one next time.
    """

    attempt: Callable[[Attempt], Awaitable[Any]]
    pause: Callable[[float], Awaitable[None]]
    tell: Callable[[Event], None]
    notes: list[str] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)
    transient: list[str] = field(default_factory=list)


class NodeRunner(Runnable[Mapping[str, Any], Any]):
    """Runs one node of a graph."""

    def __init__(
        self, plan: Plan, name: str, resources: Resources, cache: ResultCache | None, *, is_apart: bool
    ) -> None:
        """Run the node `name`; in a thread of its own if `is_apart`, so that nobody has to wait for it."""
        self.node = name
        self.name = name  # LangChain's
        self._plan = plan
        self._line = [plan.nodes[each] for each in (name, *plan.fallbacks(name))]
        self._resources = resources
        self._cache = cache if cache is not None and cache.keeps(plan.nodes[name]) else None
        self._router = Router(plan, name)
        self._before = plan.before(name)
        self._is_apart = is_apart

    def invoke(
        self,
        input: Mapping[str, Any],  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **_: Any,
    ) -> Any:
        """Run the node on these channels."""
        with self._run_of(config) as run, count_tokens() as tokens:

            async def attempt(wanted: Attempt) -> Any:
                is_apart = self._is_apart or run.may_be_left or wanted.timeout is not None or wanted.is_async
                return call_apart(wanted, run) if is_apart else call_here(wanted)

            async def pause(seconds: float) -> None:
                run.pause(self.node, seconds)

            try:
                return _at_once(self._run(input, tokens, _Means(attempt, pause, get_stream_writer())))
            except GraphBubbleUp:
                raise
            except BaseException as error:
                run.fail(error)
                raise

    async def ainvoke(
        self,
        input: Mapping[str, Any],  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **_: Any,
    ) -> Any:
        """Run the node on these channels, without blocking the event loop."""
        with self._run_of(config) as run, count_tokens() as tokens:
            means = _Means(lambda wanted: acall(wanted, run), asyncio.sleep, get_stream_writer())
            return await self._run(input, tokens, means)

    async def _run(self, values: Mapping[str, Any], tokens: TokenCount, by: _Means) -> Command[str]:
        """The whole of the node's work."""
        state = to_state(values)
        by.tell(NodeStarted(self.node))
        started = time.perf_counter()
        ran, update = await self._result(state, by)
        after = applied(state, update)
        route = await self._route(after, values.get(ROUNDS, {}), by)
        trace = NodeTrace(
            node=self.node,
            milliseconds=(time.perf_counter() - started) * 1000,
            detail="; ".join([*by.notes, *route.notes]),
            tokens_in=tokens.read,
            tokens_out=tokens.written,
            tokens_reused=tokens.reused,
            documents_in=len(state.documents),
            documents_out=len(after.documents),
            documents_read=sum(by.shown),
            ran=ran,
            decisions=route.decisions,
        )
        by.tell(NodeEnded(self.node, trace))
        whole = {**update, **route.update, "trace": [trace]}
        return Command(update=whole, goto=[node_key(target) for target in route.targets if target != END])

    async def _route(self, after: RagState, rounds: dict[str, int], by: _Means) -> Route:
        if not self._router.decides:
            return self._router.route(after, rounds)
        route: Route = await by.attempt(self._plainly(lambda: self._router.route(after, rounds)))
        return route

    async def _result(self, state: RagState, by: _Means) -> tuple[str, Update]:
        """Which node gave the update, if any, and the update: from the cache, by running it, or by a fallback."""
        node = self._line[0]
        key: Hashable = None
        if self._cache is not None:
            key, kept = await self._looked_up(self._cache, node, state, by)
            if kept is not None:
                by.notes.append("from the cache")
                return self.node, kept
        for node in self._line:
            update = await self._tried(node, state, by)
            if update is None:
                continue
            if self._cache is not None and key is not None and node is self._line[0] and not by.transient:
                await self._kept(self._cache, key, update, by)
            return node.name, update
        return "", {"candidates": {self.node: []}} if "candidates" in _type(self._line[0]).writes else {}

    async def _looked_up(
        self, cache: ResultCache, node: PlannedNode, state: RagState, by: _Means
    ) -> tuple[Hashable, Update | None]:
        """The cache's key for the node, which may have to open a corpus and load an LLM, and what it has for it."""

        def look_up() -> tuple[Hashable, Update | None]:
            key = cache.key(node, state, self._context(node, by.notes, by.shown))
            return key, cache.get(key)

        try:
            found: tuple[Hashable, Update | None] = await by.attempt(self._plainly(look_up))
        except (GraphBubbleUp, CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - what is wrong with the corpus or LLM, the node itself will tell
            by.notes.append(f"the cache was not used ({_said(self.node, error)})")
            return None, None
        return found

    async def _kept(self, cache: ResultCache, key: Hashable, update: Update, by: _Means) -> None:
        try:
            await by.attempt(self._plainly(lambda: cache.put(key, update)))
        except (GraphBubbleUp, CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - the result is there
            by.notes.append(f"the result was not cached ({_said(self.node, error)})")

    def _plainly(self, call: Callable[[], Any]) -> Attempt:
        """What may take its time, but is not the node's own work."""
        return Attempt(self.node, call, None, threading.Event(), is_async=False)

    async def _tried(self, node: PlannedNode, state: RagState, by: _Means) -> Update | None:
        """What a node returns in one of its tries; None: each failed, and the run goes on."""
        for left in range(node.spec.retries, -1, -1):
            context = self._context(node, [], [])
            try:
                returned = await by.attempt(self._attempt(node, state, context))
                update = checked(self.node, _type(node), returned)
            except (GraphBubbleUp, CancelledError, Cancelled):
                raise
            except Exception as error:
                then = "retry" if left else node.spec.on_error
                said = _said(self.node, error)
                by.tell(NodeFailed(self.node, said, then))
                if then == "fail":
                    if node.name != self.node:
                        kind = type(error) if isinstance(error, NodeError) else NodeError
                        all_said = "; ".join([*by.notes, f"{node.name} failed, too: {said}"])
                        raise kind(self.node, f"failed: {all_said}") from error
                    if _is_own(self.node, error):
                        raise
                    raise NodeError(self.node, f"failed: {said}") from error
                by.notes.append(f"{node.name} failed ({said}): {then}")
                if left:
                    await by.pause(FIRST_PAUSE * 2 ** (node.spec.retries - left))
            else:
                by.notes.extend(context.notes)
                by.transient.extend(context.transient)
                by.shown.extend(context.shown or _all_shown(node, state))
                return update
        return None

    def _attempt(self, node: PlannedNode, state: RagState, context: Context) -> Attempt:
        kind, params = _type(node), node.params
        assert params is not None
        run = kind.bind(params)
        if kind.names_nodes and not any(named_by(params, param) for param in kind.names_nodes):
            own = {name: hits for name, hits in state.candidates.items() if name in self._before}
            state = state.model_copy(update={"candidates": own})
        return Attempt(self.node, lambda: run(state, context), node.spec.timeout, context.cancelled, kind.is_async)

    @contextmanager
    def _run_of(self, config: RunnableConfig | None) -> Iterator[Run]:
        """The run that the node belongs to; one of its own where the graph is a node of another one."""
        found = ((config or {}).get("configurable") or {}).get(RUN)
        if isinstance(found, Run) and found.plan is self._plan:
            yield found
            return
        own = Run(self._plan)
        try:
            yield own
        finally:
            own.end()

    def _context(self, node: PlannedNode, notes: list[str], shown: list[int]) -> Context:
        return replace(self._resources.context_of(node.name), node=self.node, notes=notes, shown=shown)


def _at_once(work: Coroutine[Any, Any, Command[str]]) -> Command[str]:
    """What a coroutine returns that never has to wait."""
    try:
        work.send(None)
    except StopIteration as end:
        result: Command[str] = end.value
        return result
    raise AssertionError("it waits for something")


def _all_shown(node: PlannedNode, state: RagState) -> list[int]:
    """What a node that does not say it is taken to give its LLM: all documents, if it reads any."""
    return [len(state.documents)] if _type(node).needs_llm and "documents" in read_fields(node) else []


def _type(node: PlannedNode) -> NodeType:
    assert node.type is not None
    return node.type


def _said(node: str, error: Exception) -> str:
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - the error cannot even be told
        text = ""
    if _is_own(node, error):
        return text.removeprefix(f"the node {node!r} ").removeprefix("failed: ")
    return text if isinstance(error, RagloomError) and text else f"{type(error).__name__}: {text}".removesuffix(": ")


def _is_own(node: str, error: Exception) -> bool:
    """Whether the error has the node's name already."""
    return isinstance(error, NodeError) and error.node == node
