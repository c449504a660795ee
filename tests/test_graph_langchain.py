"""A graph is a LangChain Runnable."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from kittens import cat, cats, graph, way
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda
from parrots import Heard, Parrot, speak, speaking
from ragloom.rag.graph import Context, GraphError, NodeEnded, NodeStarted, RagState, Token, Update
from ragloom.rag.llm.json_asking import ask_json


@pytest.mark.parametrize("is_async", [False, True])
def test_tokens_come_before_the_model_has_ended(is_async: bool) -> None:
    gate = threading.Event()
    events = speaking(is_async=is_async, llm=Parrot(goes_on=gate)).stream("Who?")
    assert [next(events) for _ in range(3)] == [NodeStarted("a"), Token("a", "Toad"), Token("a", " did")]
    gate.set()
    assert [type(event) for event in events] == [Token, NodeEnded, NodeStarted, NodeEnded, RagState]


@pytest.mark.parametrize("is_async", [False, True])
async def test_tokens_come_in_the_event_loop_too(is_async: bool) -> None:
    gate = threading.Event()
    events = speaking(is_async=is_async, llm=Parrot(goes_on=gate)).astream("Who?")
    assert [await anext(events) for _ in range(3)] == [NodeStarted("a"), Token("a", "Toad"), Token("a", " did")]
    gate.set()
    assert [type(event) async for event in events] == [Token, NodeEnded, NodeStarted, NodeEnded, RagState]


THOUGHT = ("<thi", "nk>Mole", "? ", "</thi", "nk>\n", "Toad", " did it, not </think>.")


@pytest.mark.parametrize("is_async", [False, True])
async def test_thoughts_of_a_model_are_no_tokens(is_async: bool) -> None:
    thinking = speaking(is_async=is_async, llm=Parrot(words=THOUGHT))
    for events in (list(thinking.stream("Who?")), [event async for event in thinking.astream("Who?")]):
        tokens = [event for event in events if isinstance(event, Token)]
        assert tokens == [Token("a", "Toad"), Token("a", " did it, not </think>.")]


def test_tokens_of_branches_have_their_nodes_name() -> None:
    nodes = [cat("answer", speak, writes=["extra.answer"]), cat("b", speak, writes=["extra.b"])]
    running = graph("start -> [answer, b] -> c -> end", *nodes, *cats("c"), llm=Parrot())
    told = [event for event in running.stream("Who?") if isinstance(event, Token)]
    for name in ("answer", "b"):
        assert "".join(event.text for event in told if event.node == name) == "Toad did it."


@pytest.mark.parametrize("is_async", [False, True])
def test_tokens_are_counted_per_node(is_async: bool) -> None:
    running = speaking(is_async=is_async, llm=Parrot())
    for state in (
        running.invoke("Who?"),
        asyncio.run(running.ainvoke("Who?")),
        list(running.stream("Who?"))[-1],
    ):
        assert isinstance(state, RagState)
        counts = [(trace.tokens_in, trace.tokens_out, trace.tokens_reused) for trace in state.trace]
        assert counts == [(7, 3, 5), (0, 0, 0)]


def test_tokens_of_all_calls_of_a_node_are_counted_in_branches_too() -> None:
    def thrice(state: RagState, context: Context) -> None:
        context.llm.batch(["a", "b", "c"])

    running = graph("start -> [a, b] -> c -> end", cat("a", thrice), cat("b", thrice), *cats("c"), llm=Parrot())
    state = running.invoke("Who?")
    assert {trace.node: trace.tokens_in for trace in state.trace} == {"a": 21, "b": 21, "c": 0}


def test_a_model_that_says_nothing_of_tokens_counts_as_none() -> None:
    state = speaking(llm=FakeListChatModel(responses=["Rat."])).invoke("Who?")
    assert (state.extra, state.trace[0].tokens_in) == ({"a": "Rat."}, 0)


def test_a_function_that_gives_the_llm_is_called_once_and_late() -> None:
    calls: list[int] = []

    def load() -> BaseChatModel:
        calls.append(1)
        return Parrot()

    running = speaking(llm=load)
    assert calls == []
    running.batch(["Who?", "Who?"])
    assert calls == [1]


@pytest.mark.parametrize("is_async", [False, True])
def test_callbacks_and_tags_reach_the_model(is_async: bool) -> None:
    heard = Heard()
    running = speaking(llm=Parrot())
    config: Any = {"callbacks": [heard], "tags": ["mine"], "run_name": "asked"}
    asyncio.run(running.ainvoke("Who?", config)) if is_async else running.invoke("Who?", config)
    assert heard.runs[0] == ("asked", ["mine"])
    names = [name for name, _ in heard.runs]
    assert {"a", "b", "llm"} <= set(names)
    assert all("mine" in tags for _, tags in heard.runs)


def test_the_root_of_a_trace_has_the_graphs_name() -> None:
    heard = Heard()
    speaking(llm=Parrot()).invoke("Who?", {"callbacks": [heard]})
    assert heard.runs[0][0] == "cats"


async def test_astream_events_tells_of_nodes_and_tokens() -> None:
    told = [event async for event in speaking(llm=Parrot()).astream_events("Who?", version="v2")]
    names = [(event["event"], event["name"]) for event in told]
    assert names[0] == ("on_chain_start", "cats")
    assert ("on_chain_start", "a") in names
    tokens = [event["data"]["chunk"].content for event in told if event["event"] == "on_chat_model_stream"]
    assert "".join(tokens) == "Toad did it."


def test_it_is_a_link_of_a_chain() -> None:
    chain = (
        RunnableLambda(lambda name: f"Who is {name}?")
        | graph("start -> a -> end", *cats("a"))
        | (lambda state: state.question)
    )
    assert chain.invoke("Toad") == "Who is Toad?"
    assert asyncio.run(chain.ainvoke("Toad")) == "Who is Toad?"
    assert list(chain.stream("Toad"))[-1] == "Who is Toad?"
    assert chain.batch(["Rat", "Mole"]) == ["Who is Rat?", "Who is Mole?"]


def test_it_takes_part_in_langchains_own_ways() -> None:
    running = graph("start -> a -> end", *cats("a"))
    assert running.get_name() == "cats"
    assert way(running.with_config(tags=["x"]).invoke("Who?")) == ["a"]
    assert way(running.with_retry().invoke("Who?")) == ["a"]
    assert running.with_fallbacks([running]).invoke("Who?").question == "Who?"


def test_a_graph_runs_within_a_graph() -> None:
    inner = speaking(llm=Parrot())

    def ask(state: RagState, context: Context) -> Update:
        return {"extra": {"inner": inner.invoke("What?").extra}}

    outer = graph("start -> o -> end", cat("o", ask, writes=["extra.inner"]))
    for state in (outer.invoke("Who?"), asyncio.run(outer.ainvoke("Who?")), list(outer.stream("Who?"))[-1]):
        assert isinstance(state, RagState)
        assert state.extra == {"inner": {"a": "Toad did it."}}
        assert way(state) == ["o"]
        assert state.trace[0].tokens_in == 7


def test_what_langchain_lets_through_is_refused_rather_than_overlooked() -> None:
    running = graph("start -> a -> end", *cats("a"))
    with pytest.raises(GraphError, match="unknown option 'thraed'; did you mean 'thread'"):
        running.invoke("Who?", thraed="one")
    with pytest.raises(GraphError, match="unknown option 'stream_mode'"):
        list(running.stream("Who?", stream_mode="updates"))


def test_none_goes_on_with_the_thread(tmp_path: Path) -> None:
    running = graph("start -> a -> end", *cats("a"), checkpoints=tmp_path / "runs.sqlite")
    first = running.invoke("Who?", thread="one")
    assert running.invoke(None, thread="one") == first
    assert list(running.stream(None, {"configurable": {"thread_id": "one"}})) == [first]


def test_input_and_output_have_a_json_schema() -> None:
    running = graph("start -> a -> end", *cats("a"))
    assert "evidence" in running.get_output_jsonschema()["properties"]
    assert set(running.get_graph().nodes) >= {"a"}


async def test_a_retriever_goes_on_with_the_thread_of_its_config(tmp_path: Path) -> None:
    running = graph("start -> a -> end", *cats("a"), checkpoints=tmp_path / "runs.sqlite")
    retriever = running.as_retriever()
    for thread in ("one", "two"):
        config: Any = {"configurable": {"thread_id": thread}}
        (retriever.invoke("Who?", config)) if thread == "one" else (await retriever.ainvoke("Who?", config))
        assert len(running.conversation(thread)) == 2
    retriever.invoke("Who?")
    assert len(running.conversation("one")) == 2


def test_json_for_the_program_is_no_token() -> None:
    def decide(state: RagState, context: Context) -> Update:
        asked = ask_json(context.llm, [HumanMessage("Who?")], {"title": "it", "type": "object"}, max_tokens=9)
        return {"extra": {"a": asked}}

    said = Parrot(words=('{"it', '": 1', "}"))
    events = list(graph("start -> a -> end", cat("a", decide, writes=["extra.a"]), llm=said).stream("Who?"))
    assert [event for event in events if isinstance(event, Token)] == []
    assert events[-1].extra == {"a": {"it": 1}}
