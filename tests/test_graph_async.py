"""Plain and async nodes under invoke and ainvoke: the same states, and nobody keeps the event loop."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from kittens import Hanging, asks, cat, cats, graph, often, way
from ragloom.rag.graph import Context, NodeEnded, NodeStarted, RagGraph, RagState, Update


def sync_letter(state: RagState, context: Context) -> Update:
    return {"query": state.query + context.node}


async def async_letter(state: RagState, context: Context) -> Update:
    await asyncio.sleep(0)
    return {"query": state.query + context.node}


def mixed() -> RagGraph:
    """A bit of everything."""
    flow = [
        "start -> a -> [b, c] -> d",
        {"from": "d", "when": "again", "then": "a", "at_most": 5, "else": "e"},
        "e -> end",
    ]
    letters = [
        cat("a", sync_letter, writes=["query"]),
        cat("d", async_letter, writes=["query"]),
        cat("e", sync_letter, writes=["query"]),
    ]
    return graph(flow, asks("again", often("d", 2)), *letters, *cats("b c", async_nothing))


async def async_nothing(state: RagState, context: Context) -> None:
    await asyncio.sleep(0)


def timeless(state: Any) -> Any:
    """Without what differs from run to run."""
    return [state.model_copy(update={"trace": []}), way(state), [trace.detail for trace in state.trace]]


async def test_every_way_of_running_gives_the_same_state() -> None:
    running = mixed()
    expected = timeless(running.invoke("Who?"))
    assert expected[0].query == "Who?adadade"
    assert timeless(await running.ainvoke("Who?")) == expected
    assert timeless(list(running.stream("Who?"))[-1]) == expected
    assert timeless([event async for event in running.astream("Who?")][-1]) == expected
    assert [timeless(state) for state in running.batch(["Who?", "Who?"])] == [expected, expected]
    assert [timeless(state) for state in await running.abatch(["Who?", "Who?"])] == [expected, expected]


async def test_async_nodes_run_also_where_a_loop_is_running_already() -> None:
    assert timeless(mixed().invoke("Who?"))[0].query == "Who?adadade"


def test_many_threads_share_a_graph() -> None:
    running = mixed()
    states = running.batch([f"Who is {number}?" for number in range(12)], {"max_concurrency": 6})
    assert [state.query for state in states] == [f"Who is {number}?adadade" for number in range(12)]


async def test_many_runs_share_a_loop() -> None:
    running = mixed()
    states = await asyncio.gather(*(running.ainvoke(f"Who is {number}?") for number in range(12)))
    assert [state.query for state in states] == [f"Who is {number}?adadade" for number in range(12)]


async def test_a_plain_node_does_not_keep_the_loop() -> None:
    ticked = threading.Event()

    def wait(state: RagState, context: Context) -> Update:
        return {"extra": {"ticked": ticked.wait(10)}}

    running = asyncio.create_task(graph("start -> a -> end", cat("a", wait, writes=["extra.ticked"])).ainvoke("Who?"))
    await asyncio.sleep(0.01)
    ticked.set()
    assert (await running).extra == {"ticked": True}


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_branches_run_at_the_same_time(kind: str) -> None:
    together = threading.Barrier(3, timeout=10)

    def meet(state: RagState, context: Context) -> None:
        together.wait()

    async def ameet(state: RagState, context: Context) -> None:
        await asyncio.to_thread(together.wait)

    running = graph("start -> [a, b, c] -> d -> end", *cats("a b", meet), cat("c", ameet), *cats("d"))
    state = running.invoke("Who?") if kind == "sync" else asyncio.run(running.ainvoke("Who?"))
    assert way(state)[-1] == "d"


def test_a_row_of_plain_nodes_runs_in_the_callers_thread() -> None:
    threads: list[threading.Thread] = []
    running = graph(
        "start -> a -> b -> end", *cats("a b", lambda state, context: threads.append(threading.current_thread()))
    )
    running.invoke("Who?")
    assert threads == [threading.current_thread()] * 2


async def test_context_variables_reach_nodes_of_every_kind() -> None:
    from contextvars import ContextVar

    variable = ContextVar("variable", default="unset")

    def look(state: RagState, context: Context) -> Update:
        return {"extra": {context.node: variable.get()}}

    async def alook(state: RagState, context: Context) -> Update:
        return look(state, context)

    nodes = [
        cat("a", look, writes=["extra.a"]),
        cat("b", alook, writes=["extra.b"]),
        cat("c", look, writes=["extra.c"]),
    ]
    running = graph("start -> [a, b] -> c -> end", *nodes)
    variable.set("mouse")
    assert running.invoke("Who?").extra == (await running.ainvoke("Who?")).extra == dict.fromkeys("abc", "mouse")


def test_events_come_in_order() -> None:
    events = list(graph("start -> a -> b -> end", *cats("a b")).stream("Who?"))
    state = events[-1]
    assert isinstance(state, RagState)
    first, second = state.trace
    assert events[:-1] == [NodeStarted("a"), NodeEnded("a", first), NodeStarted("b"), NodeEnded("b", second)]


def test_events_come_while_the_run_goes_on() -> None:
    gate = threading.Event()
    running = graph("start -> a -> b -> end", *cats("a"), cat("b", lambda state, context: gate.wait(10) and None))
    events = running.stream("Who?")
    assert [type(next(events)) for _ in range(3)] == [NodeStarted, NodeEnded, NodeStarted]
    assert not gate.is_set()
    gate.set()
    assert [type(event) for event in events] == [NodeEnded, RagState]


async def test_events_come_while_an_async_run_goes_on() -> None:
    gate = asyncio.Event()

    async def wait(state: RagState, context: Context) -> None:
        await gate.wait()

    events = graph("start -> a -> b -> end", *cats("a"), cat("b", wait)).astream("Who?")
    assert [type(await anext(events)) for _ in range(3)] == [NodeStarted, NodeEnded, NodeStarted]
    gate.set()
    assert [type(event) async for event in events] == [NodeEnded, RagState]


@pytest.mark.parametrize("flow", ["start -> a -> end", "start -> [a, b] -> c -> end"])
def test_who_leaves_a_stream_ends_the_run_and_waits_for_nobody(flow: str) -> None:
    does, ran = Hanging(), []
    others = [*cats("b"), cat("c", lambda state, context: ran.append("c"))] if "b" in flow else []
    events = graph(flow, cat("a", does), *others).stream("Who?")
    for event in events:
        if event == NodeStarted("a"):
            assert does.begun.wait(10)
            break
    events.close()  # type: ignore[attr-defined]
    assert does.was_told
    does.over.set()
    assert ran == []


@pytest.mark.parametrize("flow", ["start -> a -> end", "start -> [a, b] -> c -> end"])
async def test_who_leaves_an_async_stream_ends_the_run_and_waits_for_nobody(flow: str) -> None:
    does = Hanging()
    events = graph(flow, cat("a", does), *(cats("b c") if "b" in flow else [])).astream("Who?")
    async for event in events:
        if event == NodeStarted("a"):
            await asyncio.to_thread(does.begun.wait, 10)
            break
    await events.aclose()  # type: ignore[attr-defined]
    assert does.was_told
    does.over.set()


async def test_a_node_that_will_not_be_cancelled_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from ragloom.rag.graph import NodeTimeoutError
    from ragloom.rag.graph.running import attempts

    monkeypatch.setattr(attempts, "GRACE", 0.01)
    over = asyncio.Event()

    async def cling(state: RagState, context: Context) -> None:
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError:
                continue

    running = graph("start -> a -> end", cat("a", cling), settings={"a": {"timeout": 0.01}})
    with pytest.raises(NodeTimeoutError):
        await running.ainvoke("Who?")
    assert not over.is_set()
    over.set()
