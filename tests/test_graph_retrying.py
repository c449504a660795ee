"""What is done about a node that fails: it is tried again, skipped, or another one runs in its place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kittens import cat, cats, details, graph, way
from langchain_core.documents import Document
from ragloom.rag.graph import (
    Context,
    Event,
    GraphError,
    NodeEnded,
    NodeError,
    NodeFailed,
    NodeStarted,
    NodeTimeoutError,
    RagGraph,
    RagState,
    ResultError,
    Update,
)
from ragloom.rag.graph.running import node_runner
from ragloom.stores import Corpus
from ragloom.stores.types import Hit


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_runner, "FIRST_PAUSE", 0.001)


class Flaky:
    """Fails the first so many times, and counts."""

    def __init__(self, fails: int) -> None:
        self.fails, self.tries = fails, 0

    def __call__(self, state: RagState, context: Context) -> None:
        self.tries += 1
        if self.tries <= self.fails:
            raise ValueError(f"try {self.tries}")


async def collected(running: RagGraph) -> list[Any]:
    return [event async for event in running.astream("Who?")]


BOTH = pytest.mark.parametrize(
    "told", [lambda running: list(running.stream("Who?")), lambda running: asyncio.run(collected(running))]
)
Told = Callable[[RagGraph], list[Any]]


@BOTH
@pytest.mark.parametrize(("fails", "tries"), [(0, 1), (1, 2), (3, 4)])
def test_a_node_is_tried_until_it_does_not_fail(told: Told, fails: int, tries: int) -> None:
    does = Flaky(fails)
    events = told(graph("start -> a -> end", cat("a", does), settings={"a": {"retries": 3}}))
    assert does.tries == tries
    failed = [event for event in events if isinstance(event, NodeFailed)]
    assert failed == [NodeFailed("a", f"ValueError: try {number}", "retry") for number in range(1, tries)]
    assert [type(event) for event in (events[0], events[-2])] == [NodeStarted, NodeEnded]
    remarks = [f"a failed (ValueError: try {number}): retry" for number in range(1, tries)]
    assert details(events[-1], "a") == ["; ".join(remarks)]


@BOTH
def test_a_node_is_not_tried_more_often_than_it_may_be(told: Told) -> None:
    does = Flaky(9)
    with pytest.raises(NodeError, match="the node 'a' failed: ValueError: try 3"):
        told(graph("start -> a -> end", cat("a", does), settings={"a": {"retries": 2}}))
    assert does.tries == 3


def test_pauses_between_tries_double(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(node_runner, "FIRST_PAUSE", 0.5)
    monkeypatch.setattr(node_runner.asyncio, "sleep", sleep)
    running = graph("start -> a -> end", cat("a", Flaky(4)), settings={"a": {"retries": 4}})
    asyncio.run(running.ainvoke("Who?"))
    assert waited == [0.5, 1.0, 2.0, 4.0]


@BOTH
def test_what_is_no_result_is_tried_again_too(told: Told) -> None:
    results = [3, {"route": 4}, {"route": "x"}]
    running = graph(
        "start -> a -> end",
        cat("a", lambda state, context: results.pop(0), writes=["route"]),
        settings={"a": {"retries": 2}},
    )
    assert told(running)[-1].route == "x"
    results += [3, 3, 3]
    with pytest.raises(ResultError):
        told(running)


@BOTH
def test_what_hangs_is_tried_again_too(told: Told) -> None:
    slow = [True]

    def nap(state: RagState, context: Context) -> None:
        if slow.pop() if slow else False:
            context.cancelled.wait(10)

    (event,) = [
        event
        for event in told(graph("start -> a -> end", cat("a", nap), settings={"a": {"timeout": 0.05, "retries": 1}}))
        if isinstance(event, NodeFailed)
    ]
    assert event == NodeFailed("a", "did not end within 0.05 s", "retry")


@BOTH
def test_remarks_of_a_failed_try_are_forgotten(told: Told) -> None:
    does = Flaky(1)

    def remark(state: RagState, context: Context) -> None:
        context.note("looked")
        does(state, context)

    state = told(graph("start -> a -> end", cat("a", remark), settings={"a": {"retries": 1}}))[-1]
    assert details(state, "a") == ["a failed (ValueError: try 1): retry; looked"]


@BOTH
def test_a_node_that_is_skipped_finds_nothing(told: Told) -> None:
    def fail(state: RagState, context: Context) -> Update:
        raise ValueError("no mice")

    def count(state: RagState, context: Context) -> Update:
        return {"extra": {"found": {name: len(hits) for name, hits in state.candidates.items()}}}

    finder = cat(
        "b", lambda state, context: {"candidates": {"b": [Hit(Document("Toad."), 1.0, 1)]}}, writes=["candidates"]
    )
    running = graph(
        "start -> [a, b] -> c -> end",
        cat("a", fail, writes=["candidates", "documents"]),
        finder,
        cat("c", count, writes=["extra.found"]),
        settings={"a": {"on_error": "skip"}},
    )
    events = told(running)
    assert NodeFailed("a", "ValueError: no mice", "skip") in events
    state = events[-1]
    assert state.extra == {"found": {"a": 0, "b": 1}}
    assert details(state, "a") == ["a failed (ValueError: no mice): skip"]


@BOTH
def test_another_stands_in_under_the_name_of_the_one_that_failed(told: Told) -> None:
    seen: list[str] = []

    def find(state: RagState, context: Context) -> Update:
        seen.append(context.node)
        return {"candidates": {context.node: [Hit(Document("Toad."), 1.0, 1)]}}

    running = graph(
        "start -> a -> end",
        cat("a", Flaky(9), writes=["candidates"]),
        cat("b", find, writes=["candidates"]),
        settings={"a": {"on_error": "fallback b"}},
    )
    events = told(running)
    assert NodeFailed("a", "ValueError: try 1", "fallback b") in events
    state = events[-1]
    assert seen == ["a"]
    assert list(state.candidates) == ["a"]
    assert way(state) == ["a"]
    assert details(state, "a") == ["a failed (ValueError: try 1): fallback b"]


@BOTH
def test_one_stands_in_for_another_with_the_tries_of_each(told: Told) -> None:
    one, two, three = Flaky(9), Flaky(9), Flaky(1)
    settings = {
        "a": {"retries": 1, "on_error": "fallback b"},
        "b": {"retries": 2, "on_error": "fallback c"},
        "c": {"retries": 1},
    }
    running = graph("start -> a -> end", cat("a", one), cat("b", two), cat("c", three), settings=settings)
    failed: list[Event] = [event for event in told(running) if isinstance(event, NodeFailed)]
    assert (one.tries, two.tries, three.tries) == (2, 3, 2)
    assert [event.then for event in failed] == ["retry", "fallback b", "retry", "retry", "fallback c", "retry"]
    assert {event.node for event in failed} == {"a"}


@BOTH
@pytest.mark.parametrize("last", ["fail", "skip"])
def test_the_last_in_line_says_what_happens_when_all_failed(told: Told, last: str) -> None:
    running = graph(
        "start -> a -> c -> end",
        cat("a", Flaky(9)),
        cat("b", Flaky(9)),
        *cats("c"),
        settings={"a": {"on_error": "fallback b"}, "b": {"on_error": last}},
    )
    if last == "fail":
        with pytest.raises(NodeError, match=r"'a' failed: a failed \(ValueError: try 1\): fallback b; b failed, too: "):
            told(running)
    else:
        assert way(told(running)[-1]) == ["a", "c"]


@BOTH
def test_a_node_that_stands_in_has_its_own_time(told: Told) -> None:
    def hang(state: RagState, context: Context) -> None:
        context.cancelled.wait(10)

    running = graph(
        "start -> a -> end",
        cat("a", Flaky(9)),
        cat("b", hang),
        settings={"a": {"on_error": "fallback b"}, "b": {"timeout": 0.05}},
    )
    with pytest.raises(NodeTimeoutError, match=r"'a' failed: a failed \(.*; b failed, too: did not end within 0\.05 s"):
        told(running)


@BOTH
def test_a_node_may_run_and_be_the_fallback_of_another(told: Told) -> None:
    running = graph(
        "start -> b -> a -> end", cat("a", Flaky(9)), *cats("b"), settings={"a": {"on_error": "fallback b"}}
    )
    assert way(told(running)[-1]) == ["b", "a"]


@BOTH
def test_nothing_is_tried_again_when_the_run_is_over(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_runner, "FIRST_PAUSE", 50.0)
    does = Flaky(9)

    def fail(state: RagState, context: Context) -> None:
        while not does.tries:
            context.cancelled.wait(0.01)
        raise ValueError("over")

    running = graph(
        "start -> [a, b] -> c -> end", cat("a", does), cat("b", fail), *cats("c"), settings={"a": {"retries": 1}}
    )
    with pytest.raises(NodeError, match="the node 'b' failed: ValueError: over"):
        told(running)
    assert does.tries == 1


def test_what_cannot_be_kept_is_told_in_a_line(tmp_path: Path) -> None:
    running = graph(
        "start -> a -> end",
        cat("a", lambda state, context: {"extra": {"a": 2**70}}, writes=["extra.a"]),
        checkpoints=tmp_path / "runs.sqlite",
    )
    with pytest.raises(GraphError, match=r"the state cannot be kept: .*64-bit"):
        running.invoke("Who?", thread="t")
    with pytest.raises(GraphError, match=r"the state cannot be kept: .*64-bit"):
        asyncio.run(running.ainvoke("Who?", thread="t"))


@pytest.mark.parametrize("wrong", [lambda context: context.show("three"), lambda context: context.show(None)])
def test_what_a_node_says_wrongly_is_its_own_error(wrong: Callable[[Context], None]) -> None:
    def say(state: RagState, context: Context) -> None:
        context.note(5)  # type: ignore[arg-type]
        wrong(context)

    state = graph("start -> a -> end", cat("a", say), settings={"a": {"on_error": "skip"}}).invoke("Who?")
    assert "TypeError" in state.trace[0].detail


def test_a_run_over_documents_with_large_numbers_is_kept(corpus: Corpus, tmp_path: Path) -> None:
    corpus.add([Document("something", metadata={"big": 2**70})])
    find = {"nodes": {"find": {"use": "lexical", "cache": True}}, "flow": ["start -> find -> end"]}
    running = RagGraph(find, corpus=corpus, checkpoints=tmp_path / "runs.sqlite", cache=tmp_path / "cache.sqlite")
    for _ in range(2):
        state = running.invoke("something", thread="t")
        assert state.documents[0].document.metadata["big"] == str(2**70)
    assert "from the cache" in state.trace[0].detail
