"""A compiled graph that is run, from the question to the events and the state at the end."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from langchain_core.runnables import RunnableConfig, ensure_config
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import StreamMode

from ..checks.ways import Ways
from ..errors import CancelledError, StalledError, ThreadError
from ..events import Event
from ..plan import Plan
from ..state import RagState, Turn
from .building import longest_run
from .channels import ENDED, GRAPH, to_state
from .checkpoints import abegin_anew, aopen_saver, begin_anew, open_saver
from .driving import driven
from .node_runner import RUN
from .run import Run
from .telling import Telling

Values = dict[str, Any]
Graph = CompiledStateGraph[Any, Any, Any, Any]

Told = Generator[Event | RagState, None, None]
AsyncTold = AsyncGenerator[Event | RagState, None]
Modes = list[StreamMode]

_LANGGRAPHS = "__pregel_"
_APPS = re.compile(rf"{_LANGGRAPHS}.*|thread_id|checkpoint_.*")
"""What a langgraph app says to its own steps."""

_QUIET: Modes = ["values"]
_ALL: Modes = ["values", "custom", "messages"]


@dataclass(frozen=True, slots=True)
class Session:
    """Runs a compiled graph.

    Attributes:
        plan: what was compiled.
        graph: langgraph's.
        kept: where the steps of runs are kept; None: nowhere.
        has_threads: whether some node has a thread of its own, while the caller waits.
        fingerprint: another one when nodes or flow are others.
    """

    plan: Plan
    graph: Graph
    kept: Path | BaseCheckpointSaver[str] | None
    has_threads: bool
    fingerprint: str

    @classmethod
    def of(cls, plan: Plan, graph: Graph, kept: Path | BaseCheckpointSaver[str] | None) -> Self:
        """Run `graph`, which `plan` was compiled to."""
        nodes = plan.nodes.values()
        has_threads = bool(Ways.of(plan.flow).forks) or any(
            node.spec.timeout is not None or (node.type is not None and node.type.is_async) for node in nodes
        )
        made_of = [
            [(name, node.spec.use) for name, node in plan.nodes.items()],
            [item if isinstance(item, str) else item.model_dump() for item in plan.spec.flow],
        ]
        fingerprint = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
        return cls(plan, graph, kept, has_threads, fingerprint)

    def run(self, values: Values | None, config: RunnableConfig | None, thread: str | None) -> RagState:
        """Run to the end; `values` None: go on with the run of that thread."""
        with closing(self._told(values, config, thread, _QUIET)) as told:
            return _state(list(told))

    async def arun(self, values: Values | None, config: RunnableConfig | None, thread: str | None) -> RagState:
        """Run to the end without blocking the event loop."""
        async with aclosing(self._atold(values, config, thread, _QUIET)) as told:
            return _state([event async for event in told])

    def events(self, values: Values | None, config: RunnableConfig | None, thread: str | None) -> Told:
        """Run and tell what happens, at last the state."""
        return self._told(values, config, thread, _ALL)

    def aevents(self, values: Values | None, config: RunnableConfig | None, thread: str | None) -> AsyncTold:
        """Run and tell what happens, at last the state, without blocking the event loop."""
        return self._atold(values, config, thread, _ALL)

    def conversation(self, thread: str) -> list[Turn]:
        """What was said in a thread: what its last run was told, its question, and its answer if it came to one."""
        with open_saver(self.kept) as saver:
            if saver is None:
                raise _nowhere("find", thread)
            found = saver.get_tuple({"configurable": {"thread_id": thread}})
        if found is None:
            return []
        values = found.checkpoint["channel_values"]
        state = to_state(values.get("__start__") or values)
        asked = [*state.history, Turn("user", state.question)]
        return [*asked, Turn("assistant", str(state.answer or ""))] if values.get(ENDED) else asked

    def forget(self, thread: str) -> None:
        """Delete a thread."""
        with open_saver(self.kept) as saver:
            if saver is None:
                raise _nowhere("find", thread)
            saver.delete_thread(thread)

    def _told(self, values: Values | None, config: RunnableConfig | None, thread: str | None, modes: Modes) -> Told:
        run, telling = Run(self.plan, may_be_left=modes is not _QUIET or self.has_threads), Telling(self.plan)
        begun = None if values is None else {**values, GRAPH: self.fingerprint}
        own, thread = self._config(config, thread, run, is_new=values is not None)
        with self._opened(own, thread, is_new=values is not None) as graph, _first_failure(run):
            last: Values = {}
            durability: Any = "sync" if thread else None
            stream: Any = graph.stream(begun, own, stream_mode=modes, durability=durability)
            with closing(driven(stream, run) if run.may_be_left else stream) as chunks, run:
                for mode, chunk in chunks:
                    if mode == "values":
                        last = chunk
                    elif event := telling.event(mode, chunk):
                        yield event
            yield self._ended(last or graph.get_state(own).values)

    async def _atold(
        self, values: Values | None, config: RunnableConfig | None, thread: str | None, modes: Modes
    ) -> AsyncTold:
        run, telling = Run(self.plan), Telling(self.plan)
        begun = None if values is None else {**values, GRAPH: self.fingerprint}
        own, thread = self._config(config, thread, run, is_new=values is not None)
        async with self._aopened(own, thread, is_new=values is not None) as graph:
            last: Values = {}
            durability: Any = "sync" if thread else None
            with _first_failure(run):
                stream: Any = graph.astream(begun, own, stream_mode=modes, durability=durability)
                async with aclosing(stream) as chunks:
                    with run:
                        async for mode, chunk in chunks:
                            if mode == "values":
                                last = chunk
                            elif event := telling.event(mode, chunk):
                                yield event
            yield self._ended(last or (await graph.aget_state(own)).values)

    def _config(
        self, config: RunnableConfig | None, thread: str | None, run: Run, *, is_new: bool
    ) -> tuple[RunnableConfig, str | None]:
        """The config of a run, and its thread if it is to be kept.

        A run within a langgraph app is none of the app's own steps: it has neither its thread nor its checkpoints.
        """
        own = ensure_config(config)
        configurable = own.get("configurable", {})
        if _is_of_an_app(configurable):
            configurable = {key: configurable[key] for key in configurable if not _APPS.match(key)}
        given = configurable.get("thread_id")
        if thread is not None and not thread:
            raise ThreadError("the thread's name is empty")
        thread = thread or (str(given) if given is not None and self.kept else None)
        if thread is None and not is_new:
            raise ThreadError("which run is to be resumed? Name its thread")
        if thread and not self.kept:
            raise _nowhere("keep" if is_new else "find", thread)
        configurable = {**configurable, RUN: run}
        if thread or _is_of_an_app(ensure_config().get("configurable", {})):
            configurable["thread_id"] = thread or uuid4().hex  # langgraph takes one without for a step of the app
        return {**own, "configurable": configurable, "recursion_limit": longest_run(self.plan)}, thread

    @contextmanager
    def _opened(self, config: RunnableConfig, thread: str | None, *, is_new: bool) -> Iterator[Graph]:
        with open_saver(self.kept if thread else None) as saver:
            if saver is None or thread is None:
                yield self.graph
                return
            if is_new:
                begin_anew(saver, thread)
            else:
                self._check_is_own(saver.get_tuple(config), thread)
            yield self.graph.copy({"checkpointer": saver})

    @asynccontextmanager
    async def _aopened(self, config: RunnableConfig, thread: str | None, *, is_new: bool) -> AsyncIterator[Graph]:
        async with aopen_saver(self.kept if thread else None) as saver:
            if saver is None or thread is None:
                yield self.graph
                return
            if is_new:
                await abegin_anew(saver, thread)
            else:
                self._check_is_own(await saver.aget_tuple(config), thread)
            yield self.graph.copy({"checkpointer": saver})

    def _check_is_own(self, found: CheckpointTuple | None, thread: str) -> None:
        if found is None:
            raise ThreadError(f"there is no run {thread!r} to resume; it may have been kept in another file")
        values = found.checkpoint["channel_values"]
        if (values.get("__start__") or values).get(GRAPH) != self.fingerprint:
            raise ThreadError(f"the run {thread!r} is of another graph, or its nodes or flow have changed since")

    def _ended(self, values: Mapping[str, Any]) -> RagState:
        state = to_state(values)
        if not values.get(ENDED):
            raise StalledError(self._why_stalled([trace.node for trace in state.trace]))
        return state

    def _why_stalled(self, ran: Sequence[str]) -> str:
        for edge in self.plan.flow.edges:
            came: set[str] = set()
            for node in ran:
                came |= {node} & set(edge.sources)
                if len(came) == len(edge.sources):
                    came.clear()  # the join has happened, and waits for all of them anew
            if came:
                missing = [repr(source) for source in edge.sources if source not in came]
                return (
                    f"the run stalled: {edge.target!r} waits for {' and '.join(missing)}, which did not run "
                    f"after {' and '.join(map(repr, sorted(came)))} had; make both branches reach the join"
                )
        return "the run stalled: a node waits for several others, and not all of them ran"


def _nowhere(doing: str, thread: str) -> ThreadError:
    return ThreadError(f"there is nowhere to {doing} the thread {thread!r}; write RagGraph(..., checkpoints=FILE)")


@contextmanager
def _first_failure(run: Run) -> Iterator[None]:
    """Where several nodes failed, the first one's error is the one to raise."""
    try:
        yield
    except CancelledError:
        if run.failure is None:
            raise
        raise run.failure from run.failure.__cause__


def _state(told: list[Event | RagState]) -> RagState:
    state = told[-1]
    assert isinstance(state, RagState)
    return state


def _is_of_an_app(configurable: Mapping[str, Any]) -> bool:
    return any(key.startswith(_LANGGRAPHS) for key in configurable)
