"""A compiled graph that is run, from the question to the events and the state at the end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessageChunk
from langchain_core.runnables import RunnableConfig, ensure_config, patch_config
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import StreamMode

from ..errors import CancelledError, StalledError, ThreadError
from ..events import Event, NodeEnded, NodeFailed, NodeStarted, Token
from ..plan import Plan
from ..state import RagState
from .attempts import Run
from .building import longest_run
from .channels import ENDED, node_key, to_state
from .checkpoints import aopen_saver, open_saver
from .node_runner import RUN

Values = dict[str, Any]
Graph = CompiledStateGraph[Any, Any, Any, Any]

Told = Generator[Event | RagState, None, None]
AsyncTold = AsyncGenerator[Event | RagState, None]
Modes = list[StreamMode]

_QUIET: Modes = ["values"]
_ALL: Modes = ["values", "custom", "messages"]


@dataclass(frozen=True, slots=True)
class Session:
    """Runs a compiled graph.

    Attributes:
        plan: what was compiled.
        graph: langgraph's.
        kept: where the steps of runs are kept; None: nowhere.
    """

    plan: Plan
    graph: Graph
    kept: Path | BaseCheckpointSaver[str] | None

    def run(self, values: Values | None, config: RunnableConfig | None, thread: str | None) -> RagState:
        """Run to the end; `values` None: go on with the run of that thread."""
        with closing(self._told(values, config, thread, _QUIET)) as told:
            return _state(list(told))

    async def arun(self, values: Values | None, config: RunnableConfig | None, thread: str | None) -> RagState:
        """Run to the end without keeping the event loop."""
        async with aclosing(self._atold(values, config, thread, _QUIET)) as told:
            return _state([event async for event in told])

    def events(self, values: Values | None, config: RunnableConfig | None, thread: str | None) -> Told:
        """Run and tell what happens, at last the state."""
        return self._told(values, config, thread, _ALL)

    def aevents(self, values: Values | None, config: RunnableConfig | None, thread: str | None) -> AsyncTold:
        """Run and tell what happens, at last the state, without keeping the event loop."""
        return self._atold(values, config, thread, _ALL)

    def _told(self, values: Values | None, config: RunnableConfig | None, thread: str | None, modes: Modes) -> Told:
        run = Run()
        own, thread = self._config(config, thread, run, is_new=values is not None)
        with self._opened(own, thread, is_new=values is not None) as graph, _ending(run):
            last: Values = {}
            durability: Any = "sync" if thread else None
            stream: Any = graph.stream(values, own, stream_mode=modes, durability=durability)
            with closing(stream) as chunks:
                for mode, chunk in chunks:
                    if mode == "values":
                        last = chunk
                    elif event := self._event(mode, chunk):
                        yield event
            yield self._ended(last or graph.get_state(own).values)

    async def _atold(
        self, values: Values | None, config: RunnableConfig | None, thread: str | None, modes: Modes
    ) -> AsyncTold:
        run = Run()
        own, thread = self._config(config, thread, run, is_new=values is not None)
        async with self._aopened(own, thread, is_new=values is not None) as graph:
            last: Values = {}
            durability: Any = "sync" if thread else None
            with _ending(run):
                stream: Any = graph.astream(values, own, stream_mode=modes, durability=durability)
                async with aclosing(stream) as chunks:
                    async for mode, chunk in chunks:
                        if mode == "values":
                            last = chunk
                        elif event := self._event(mode, chunk):
                            yield event
            yield self._ended(last or (await graph.aget_state(own)).values)

    def _config(
        self, config: RunnableConfig | None, thread: str | None, run: Run, *, is_new: bool
    ) -> tuple[RunnableConfig, str | None]:
        """The config of a run, and its thread if it is to be kept."""
        own = ensure_config(config)
        given = own.get("configurable", {}).get("thread_id")
        if thread is not None and not thread:
            raise ThreadError("the thread's name is empty")
        thread = thread or (str(given) if given is not None and self.kept else None)
        if thread and not self.kept:
            doing = "keep" if is_new else "find"
            raise ThreadError(
                f"there is nowhere to {doing} the thread {thread!r}; write RagGraph(..., checkpoints=FILE)"
            )
        configurable = {RUN: run, **({"thread_id": thread} if thread else {})}
        return patch_config(own, configurable=configurable, recursion_limit=longest_run(self.plan)), thread

    @contextmanager
    def _opened(self, config: RunnableConfig, thread: str | None, *, is_new: bool) -> Iterator[Graph]:
        with open_saver(self.kept if thread else None) as saver:
            if saver is None or thread is None:
                yield self.graph
                return
            if is_new:
                saver.delete_thread(thread)
            elif saver.get_tuple(config) is None:
                raise _no_such(thread)
            yield self.graph.copy({"checkpointer": saver})

    @asynccontextmanager
    async def _aopened(self, config: RunnableConfig, thread: str | None, *, is_new: bool) -> AsyncIterator[Graph]:
        async with aopen_saver(self.kept if thread else None) as saver:
            if saver is None or thread is None:
                yield self.graph
                return
            if is_new:
                await saver.adelete_thread(thread)
            elif await saver.aget_tuple(config) is None:
                raise _no_such(thread)
            yield self.graph.copy({"checkpointer": saver})

    def _event(self, mode: str, chunk: Any) -> Event | None:
        if mode == "custom":
            return chunk if isinstance(chunk, NodeStarted | NodeEnded | NodeFailed) else None
        message, about = chunk
        if not isinstance(message, AIMessageChunk) or not message.text:
            return None
        key = about["langgraph_node"]
        return Token(next((name for name in self.plan.nodes if node_key(name) == key), key), message.text)

    def _ended(self, values: Mapping[str, Any]) -> RagState:
        state = to_state(values)
        if not values.get(ENDED):
            raise StalledError(self._why_stalled({trace.node for trace in state.trace}))
        return state

    def _why_stalled(self, ran: set[str]) -> str:
        for edge in self.plan.flow.edges:
            if came := [source for source in edge.sources if source in ran]:
                missing = [source for source in edge.sources if source not in ran]
                if missing:
                    return (
                        f"the run came to no end: {edge.target!r} waits for {' and '.join(map(repr, missing))}, which "
                        f"did not run after {' and '.join(map(repr, came))} had; let both ways lead on"
                    )
        return "the run came to no end: a node waits for several others, and not all of them ran"


@contextmanager
def _ending(run: Run) -> Iterator[None]:
    """End what still runs; where several nodes failed, the first one's error is the one to raise."""
    try:
        yield
    except CancelledError:
        if run.failure is None:
            raise
        raise run.failure from run.failure.__cause__
    finally:
        run.end()


def _state(told: list[Event | RagState]) -> RagState:
    state = told[-1]
    assert isinstance(state, RagState)
    return state


def _no_such(thread: str) -> ThreadError:
    return ThreadError(f"there is no run {thread!r} to resume; it may have been kept in another file")
