"""A graph is at home in somebody else's LangGraph app."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, TypedDict

import pytest
from kittens import cat, cats, details, graph, way
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from parrots import Parrot, speak, speaking
from ragloom.rag.graph import (
    Context,
    GraphError,
    RagState,
    Update,
)


class App(TypedDict, total=False):
    """The state of somebody else's application."""

    question: str
    extra: Annotated[dict[str, Any], lambda old, new: {**old, **new}]
    said: str


@pytest.mark.parametrize("passes_config", [False, True])
@pytest.mark.parametrize("has_checkpoints", [False, True])
@pytest.mark.parametrize("is_async", [False, True])
def test_a_langgraph_app_may_call_it(passes_config: bool, has_checkpoints: bool, is_async: bool, tmp_path: Any) -> None:
    inner = speaking(llm=Parrot(), checkpoints=tmp_path / "runs.sqlite" if has_checkpoints else None)

    def ask(values: App, config: RunnableConfig) -> App:
        state = inner.invoke(values["question"], config if passes_config else None)
        return {"said": state.extra["a"]}  # type: ignore[typeddict-item]

    async def aask(values: App, config: RunnableConfig) -> App:
        state = await inner.ainvoke(values["question"], config if passes_config else None)
        return {"said": state.extra["a"]}  # type: ignore[typeddict-item]

    app = app_of(aask if is_async else ask)
    config: Any = {"configurable": {"thread_id": "apps"}}
    for question in ("Who?", "What?"):
        given: App = {"question": question}
        said = asyncio.run(app.ainvoke(given, config)) if is_async else app.invoke(given, config)
        assert said["said"] == "Toad did it."
    if has_checkpoints:
        with pytest.raises(GraphError, match="there is no run 'apps'"):
            inner.resume("apps")


def test_a_run_within_an_app_may_have_a_thread_of_its_own(tmp_path: Any) -> None:
    inner = speaking(llm=Parrot(), checkpoints=tmp_path / "runs.sqlite")

    def ask(values: App, config: RunnableConfig) -> App:
        return {"said": inner.invoke(values["question"], config, thread="mine").question}

    app = app_of(ask)
    app.invoke({"question": "Who?"}, {"configurable": {"thread_id": "apps"}})
    assert inner.resume("mine").extra == {"a": "Toad did it."}


@pytest.mark.parametrize("is_async", [False, True])
def test_it_is_a_node_of_a_langgraph_app_with_the_apps_checkpointer(is_async: bool) -> None:
    inner = graph("start -> [a, b] -> c -> end", cat("a", speak, writes=["extra.a"]), *cats("b c"), llm=Parrot())
    app = app_of(inner.compiled)
    config: Any = {"configurable": {"thread_id": "apps"}}
    for question in ("Who?", "What?"):
        given: App = {"question": question}
        said = asyncio.run(app.ainvoke(given, config)) if is_async else app.invoke(given, config)
        assert (said["question"], said["extra"]) == (question, {"a": "Toad did it."})
    assert app.get_state(config).values["question"] == "What?"


def app_of(ask: Any) -> Any:
    building = StateGraph(App)
    building.add_node("ask", ask)
    building.add_edge(START, "ask")
    building.add_edge("ask", END)
    return building.compile(checkpointer=InMemorySaver())


def test_an_app_goes_on_where_its_inner_graph_failed() -> None:
    ran: list[str] = []
    broken = [True]

    def work(state: RagState, context: Context) -> None:
        ran.append(context.node)
        if context.node == "b" and broken:
            broken.clear()
            raise ValueError("ouch")

    app = app_of(graph("start -> a -> b -> end", *cats("a b", work)).compiled)
    config: Any = {"configurable": {"thread_id": "apps"}}
    with pytest.raises(GraphError, match="the node 'b' failed: ValueError: ouch"):
        app.invoke({"question": "Who?"}, config)
    app.invoke(None, config)
    assert ran == ["a", "b", "b"]


def test_a_node_that_interrupts_a_langgraph_app_is_resumed_there() -> None:
    from langgraph.types import Command, interrupt

    def ask(state: RagState, context: Context) -> Update:
        return {"extra": {"said": interrupt("Really?")}}

    app = app_of(graph("start -> a -> end", cat("a", ask, writes=["extra.said"])).compiled)
    config: Any = {"configurable": {"thread_id": "apps"}}
    assert app.invoke({"question": "Who?"}, config)["__interrupt__"][0].value == "Really?"
    assert app.invoke(Command(resume="Yes."), config)["extra"] == {"said": "Yes."}


def test_a_graph_that_a_node_calls_fails_alone() -> None:
    def trip(state: RagState, context: Context) -> None:
        raise ValueError("no mice")

    inner = graph("start -> trip -> end", cat("trip", trip))
    outer = graph(
        "start -> call -> rest -> end",
        cat("call", lambda state, _context: inner.compiled.invoke({"question": state.question}) and None),
        cat("rest"),
        settings={"call": {"on_error": "skip"}},
    )
    state = outer.invoke("Who?")
    assert way(state) == ["call", "rest"]
    assert "no mice" in details(state, "call")[0]
