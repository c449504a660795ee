"""When a node fails the run ends with one error that names it, and nobody waits for the others."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kittens import Does, Hanging, asks, cat, cats, graph, nothing, way
from langchain_core.documents import Document
from pydantic import ValidationError
from ragloom.rag.graph import (
    CancelledError,
    Context,
    NodeError,
    NodeFailed,
    NodeStarted,
    NodeTimeoutError,
    RagGraph,
    RagState,
    ResultError,
    Update,
)
from ragloom.stores.types import Hit

HIT = Hit(Document("Toad."), 1.0, 1)


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    does = Hanging()
    yield does
    does.over.set()


def sync_run(running: RagGraph) -> RagState:
    return running.invoke("Who?")


def async_run(running: RagGraph) -> RagState:
    return asyncio.run(running.ainvoke("Who?"))


def sync_stream(running: RagGraph) -> RagState:
    return list(running.stream("Who?"))[-1]  # type: ignore[return-value]


RUNS = pytest.mark.parametrize("run", [sync_run, async_run, sync_stream])
Run = Callable[[RagGraph], RagState]


def raises(error: BaseException, *, is_async: bool = False) -> Does:
    def fail(state: RagState, context: Context) -> None:
        raise error

    async def afail(state: RagState, context: Context) -> None:
        raise error

    return afail if is_async else fail


@RUNS
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("flow", ["start -> a -> end", "start -> [a, b] -> c -> end"])
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("no\nmice"), "the node 'a' failed: ValueError: no mice"),
        (KeyError("mouse"), "the node 'a' failed: KeyError: 'mouse'"),
        (ValueError(), "the node 'a' failed: ValueError"),
        (TimeoutError("slow"), "the node 'a' failed: TimeoutError: slow"),
        (asyncio.CancelledError("of its own"), "the node 'a' failed: CancelledError: of its own"),
        (GeneratorExit(), "the node 'a' failed: GeneratorExit"),
    ],
)
def test_whatever_a_node_raises_is_told_with_its_name(
    run: Run, is_async: bool, flow: str, error: BaseException, message: str
) -> None:
    others = cats("b c") if "b" in flow else []
    with pytest.raises(NodeError) as told:
        run(graph(flow, cat("a", raises(error, is_async=is_async)), *others))
    assert (str(told.value), told.value.node) == (message, "a")
    causes = [told.value.__cause__, getattr(told.value.__cause__, "__cause__", None)]
    assert type(error) in [type(cause) for cause in causes]


@RUNS
@pytest.mark.parametrize(
    ("is_async", "message"), [(False, "StopIteration: 3"), (True, "RuntimeError: coroutine raised StopIteration")]
)
def test_a_stop_iteration_stops_nothing_but_the_run(run: Run, is_async: bool, message: str) -> None:
    running = graph("start -> [a, b] -> c -> end", cat("a", raises(StopIteration(3), is_async=is_async)), *cats("b c"))
    with pytest.raises(NodeError, match=f"the node 'a' failed: {message}"):
        run(running)


@RUNS
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("flow", ["start -> a -> end", "start -> [a, b] -> c -> end"])
def test_what_ends_the_process_is_no_error_of_the_node(
    run: Run, error: type[BaseException], flow: str, hanging: Hanging
) -> None:
    def fail(state: RagState, context: Context) -> None:
        if "b" in flow:
            hanging.begun.wait(10)
        raise error

    others = [cat("b", hanging), *cats("c")] if "b" in flow else []
    with pytest.raises(error):
        run(graph(flow, cat("a", fail), *others))
    assert hanging.was_told


@RUNS
@pytest.mark.parametrize(
    ("writes", "returned", "message"),
    [
        ([], 3, "returned int, not a mapping of state fields to new values"),
        (["documents"], None, "returned NoneType, not a mapping"),
        (["documents"], {}, "did not write 'documents', which its type 'a' declares to write"),
        ([], {"documents": []}, "wrote 'documents', but its type 'a' declares only nothing"),
        (["route"], {"route": "x", "query": "y"}, "wrote 'query', but its type 'a' declares only route"),
        (["documents"], {"documents": ["Toad."]}, r"wrote documents\[0\]"),
        (["documents"], {"documents": None}, "wrote documents: should be a list, not None"),
        (["route"], {"route": 3}, "wrote route: should be a valid string, not 3"),
        (["candidates"], {"candidates": {"b": []}}, r"wrote candidates\[b\]; a node's candidates go under its own"),
        (["extra.x"], {"extra": {"y": 1}}, "wrote 'extra.y', but its type 'a' declares only extra.x"),
        (["extra.x"], {"extra": {}}, "did not write 'extra.x'"),
        (["extra.x"], {"extra": {"x": {1, 2}}}, r"wrote extra\.x"),
        (["extra.x"], {"extra": 3}, "wrote 'extra'"),
        (["extra.x"], {"extra": {3: 1}}, "wrote 'extra.3'"),
        (["route"], {3: "x"}, "wrote 3"),
        ([], {"trace": []}, "wrote 'trace'"),
        ([], {"question": "Me?"}, "wrote 'question'"),
        ([], iter([]), "returned list_iterator, not a mapping"),
    ],
)
def test_a_node_returns_what_its_type_declares(run: Run, writes: list[str], returned: Any, message: str) -> None:
    running = graph("start -> a -> end", cat("a", lambda state, context: returned, writes=writes))
    with pytest.raises(ResultError, match=f"the node 'a' {message}") as told:
        run(running)
    assert told.value.node == "a"
    assert "\n" not in str(told.value)


@RUNS
@pytest.mark.parametrize("flow", ["start -> a -> end", "start -> [a, b] -> c -> end"])
def test_a_node_that_hangs_is_given_up_when_its_time_is_up(run: Run, flow: str, hanging: Hanging) -> None:
    others = cats("b c") if "b" in flow else []
    running = graph(flow, cat("a", hanging), *others, settings={"a": {"timeout": 0.05}})
    with pytest.raises(NodeTimeoutError, match=r"the node 'a' did not end within 0\.05 s") as told:
        run(running)
    assert isinstance(told.value, TimeoutError)
    assert hanging.was_told


@RUNS
def test_an_async_node_that_hangs_is_stopped(run: Run) -> None:
    stopped = threading.Event()

    async def hang(state: RagState, context: Context) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    with pytest.raises(NodeTimeoutError, match="the node 'a' did not end within"):
        run(graph("start -> a -> end", cat("a", hang), settings={"a": {"timeout": 0.05}}))
    assert stopped.wait(10)


@RUNS
def test_when_one_branch_fails_nobody_waits_for_one_that_hangs(run: Run, hanging: Hanging) -> None:
    def fail(state: RagState, context: Context) -> None:
        hanging.begun.wait(10)
        raise ValueError("no mice")

    ran: list[str] = []
    after = cat("c", lambda state, context: ran.append("c"))
    with pytest.raises(NodeError, match="the node 'a' failed: ValueError: no mice"):
        run(graph("start -> [a, b] -> c -> end", cat("a", fail), cat("b", hanging), after))
    assert hanging.was_told
    assert ran == []


@RUNS
def test_nobody_waits_for_a_branch_behind_a_join_either(run: Run, hanging: Hanging) -> None:
    def fail(state: RagState, context: Context) -> None:
        hanging.begun.wait(10)
        raise ValueError("no mice")

    flow = ["start -> [a, b, c]", "[a, b] -> d", "c -> c2", "[d, c2] -> e -> end"]
    with pytest.raises(NodeError, match="the node 'c2' failed"):
        run(graph(flow, cat("d", hanging), cat("c2", fail), *cats("a b c e")))
    assert hanging.was_told


@RUNS
def test_an_async_branch_is_stopped_when_another_fails(run: Run) -> None:
    begun, stopped = threading.Event(), threading.Event()

    async def hang(state: RagState, context: Context) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    def fail(state: RagState, context: Context) -> None:
        begun.wait(10)
        raise ValueError("no mice")

    with pytest.raises(NodeError, match="the node 'a' failed"):
        run(graph("start -> [a, b] -> c -> end", cat("a", fail), cat("b", hang), *cats("c")))
    assert stopped.wait(10)


@RUNS
def test_of_several_failures_the_first_is_told(run: Run) -> None:
    def late(state: RagState, context: Context) -> None:
        context.cancelled.wait(10)
        context.check_cancelled()

    running = graph("start -> [a, b] -> c -> end", cat("a", late), cat("b", raises(ValueError("mice"))), *cats("c"))
    with pytest.raises(NodeError, match="the node 'b' failed: ValueError: mice"):
        run(running)


@RUNS
@pytest.mark.parametrize("error", [ZeroDivisionError("by none"), StopIteration(), KeyError("mouse")])
@pytest.mark.parametrize("source", ["a", "start"])
def test_a_predicate_that_raises_is_told_with_its_condition(run: Run, error: Exception, source: str) -> None:
    def ask(state: RagState) -> bool:
        raise error

    flow = [{"from": source, "when": "not sure", "then": "b", "else": "end"}, "b -> end"]
    first = ["start -> a"] if source == "a" else []
    running = graph([*first, *flow], asks("sure", ask), *cats("a b" if first else "b"))
    with pytest.raises(
        NodeError, match=f"the node '{source}' failed: the condition 'not sure': {type(error).__name__}"
    ):
        run(running)


@RUNS
def test_a_bad_error_text_does_no_harm(run: Run) -> None:
    class BadlyToldError(Exception):
        def __str__(self) -> str:
            raise ValueError("cannot be told")

    with pytest.raises(NodeError, match="the node 'a' failed: BadlyToldError"):
        run(graph("start -> a -> end", cat("a", raises(BadlyToldError()))))


@RUNS
def test_the_chain_of_causes_has_an_end(run: Run) -> None:
    broken = graph("start -> a -> end", cat("a", lambda state, context: 3))
    late = graph(
        "start -> a -> end",
        cat("a", lambda state, context: context.cancelled.wait(9)),
        settings={"a": {"timeout": 0.01}},
    )
    for running in (broken, late):
        with pytest.raises(NodeError) as told:
            run(running)
        seen: list[BaseException | None] = [told.value]
        while seen[-1] is not None and len(seen) < 9:
            seen.append(seen[-1].__cause__)
        assert seen[-1] is None


@RUNS
def test_a_graph_within_a_graph_tells_both_names(run: Run) -> None:
    inner = graph("start -> paw -> end", cat("paw", raises(ValueError("ouch"))))
    outer = graph("start -> a -> end", cat("a", lambda state, context: inner.invoke(state.question) and None))
    with pytest.raises(NodeError, match="the node 'a' failed: the node 'paw' failed: ValueError: ouch") as told:
        run(outer)
    assert told.value.node == "a"


def test_a_failed_run_leaves_the_graph_usable() -> None:
    broken = [True]

    def fail(state: RagState, context: Context) -> None:
        if broken.pop() if broken else False:
            raise ValueError("once")

    running = graph("start -> [a, b] -> c -> end", cat("a", fail), *cats("b c"))
    with pytest.raises(NodeError):
        running.invoke("Who?")
    assert sorted(way(running.invoke("Who?"))) == ["a", "b", "c"]


@pytest.mark.parametrize("is_async", [False, True])
def test_the_other_questions_of_a_batch_are_answered(is_async: bool) -> None:
    def fail(state: RagState, context: Context) -> None:
        if state.question == "bad":
            raise ValueError("bad")

    running = graph("start -> a -> end", cat("a", fail))
    asked: list[Any] = ["good", "bad", "", "best"]
    if is_async:
        told = asyncio.run(running.abatch(asked, return_exceptions=True))
    else:
        told = running.batch(asked, return_exceptions=True)
    assert [type(each).__name__ for each in told] == ["RagState", "NodeError", "GraphError", "RagState"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pthread_kill")
@pytest.mark.parametrize("run", [sync_run, sync_stream])
@pytest.mark.parametrize("flow", ["start -> a -> end", "start -> [a, b] -> c -> end"])
def test_ctrl_c_waits_for_nobody(run: Run, flow: str, hanging: Hanging) -> None:
    def interrupt() -> None:
        assert hanging.begun.wait(10)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    others = cats("b c") if "b" in flow else []
    settings = {} if others or run is sync_stream else {"a": {"timeout": 90}}  # else it runs in this very thread
    running = graph(flow, cat("a", hanging), *others, settings=settings)
    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        run(running)
    assert hanging.was_told


async def test_a_run_that_is_cancelled_from_outside_stops_its_nodes(hanging: Hanging) -> None:
    stopped = asyncio.Event()

    async def hang(state: RagState, context: Context) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    running = graph("start -> [a, b] -> c -> end", cat("a", hang), cat("b", hanging), *cats("c"))
    task = asyncio.create_task(running.ainvoke("Who?"))
    await asyncio.to_thread(hanging.begun.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stopped.is_set()
    assert hanging.was_told


async def test_a_timeout_around_a_run_is_the_callers_own(hanging: Hanging) -> None:
    running = graph("start -> a -> end", cat("a", hanging))
    with pytest.raises(TimeoutError) as told:
        async with asyncio.timeout(0.2):
            await running.ainvoke("Who?")
    assert not isinstance(told.value, NodeError)
    assert hanging.was_told


def test_a_node_that_is_told_may_end_itself() -> None:
    told = threading.Event()

    def work(state: RagState, context: Context) -> None:
        context.cancelled.wait(10)
        with pytest.raises(CancelledError, match="the node 'a' was cancelled"):
            context.check_cancelled()
        told.set()

    with pytest.raises(NodeTimeoutError):
        graph("start -> a -> end", cat("a", work), settings={"a": {"timeout": 0.01}}).invoke("Who?")
    assert told.wait(10)


def test_events_tell_of_a_failure() -> None:
    events: list[Any] = []
    running = graph("start -> a -> end", cat("a", raises(ValueError("ouch"))))
    with pytest.raises(NodeError):
        events.extend(running.stream("Who?"))
    assert events == [NodeStarted("a"), NodeFailed("a", "ValueError: ouch", "fail")]


def test_a_node_may_not_write_over_the_state() -> None:
    def scribble(state: RagState, context: Context) -> Update:
        state.route = "x"  # type: ignore[misc]
        return {}

    with pytest.raises(NodeError, match="failed: ValidationError") as told:
        graph("start -> a -> end", cat("a", scribble)).invoke("Who?")
    assert isinstance(told.value.__cause__, ValidationError)
    assert way(graph("start -> a -> end", cat("a", nothing)).invoke("Who?")) == ["a"]
