"""The threads of a run: those that are done serve its next node, those that hang serve nobody, and none is left."""

from __future__ import annotations

import asyncio
import threading

from ragloom.rag.graph import Context, RagGraph, RagState, Update, node

CHAIN = {"nodes": dict.fromkeys("abc", "where"), "flow": ["start -> a -> b -> c -> end"]}


def own_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("ragloom-")]


@node("where", writes={"extra.threads"})
def where(state: RagState, context: Context) -> Update:
    """Note the thread."""
    return {"extra": {"threads": [*state.extra.get("threads", []), threading.get_ident()]}}


async def test_a_thread_serves_one_node_after_the_other() -> None:
    state = await RagGraph(CHAIN, types=[where]).ainvoke("Who?")
    threads = state.extra["threads"]
    assert len(threads) == 3
    assert set(threads) == {threads[0]}
    assert threading.get_ident() not in threads


def test_a_run_leaves_no_thread_behind() -> None:
    before = own_threads()
    RagGraph({**CHAIN, "nodes": {each: {"use": "where", "timeout": 60} for each in "abc"}}, types=[where]).invoke(
        "Who?"
    )
    asyncio.run(RagGraph(CHAIN, types=[where]).ainvoke("Who?"))
    asyncio.run(RagGraph(CHAIN, types=[where]).compiled.ainvoke({"question": "Who?"}))
    for thread in own_threads():
        if thread not in before:
            thread.join(60)
    assert [thread for thread in own_threads() if thread not in before] == []


def test_a_thread_that_hangs_is_left_to_itself() -> None:
    let_go = threading.Event()

    @node("hang")
    def hang(state: RagState, context: Context) -> Update:
        """Wait."""
        let_go.wait(60)
        return {}

    spec = {
        "nodes": {"a": {"use": "hang", "timeout": 0.01, "on_error": "skip"}, "b": {"use": "where", "timeout": 60}},
        "flow": ["start -> a -> b -> end"],
    }
    state = RagGraph(spec, types=[hang, where]).invoke("Who?")
    let_go.set()
    assert len(state.extra["threads"]) == 1
