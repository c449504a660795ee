"""A graph is a LangChain Runnable, and at home in LangGraph."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from kittens import cat, cats, graph, way
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_tests.integration_tests import RetrieversIntegrationTests
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from ragloom.rag.generate.types import Answer, Citation, Statement
from ragloom.rag.graph import (
    Context,
    GraphError,
    GraphRetriever,
    NodeEnded,
    NodeStarted,
    RagGraph,
    RagState,
    Token,
    Update,
)
from ragloom.stores.types import Hit

USAGE = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10, "input_token_details": {"cache_read": 5}}


class Parrot(BaseChatModel):
    """Says what it is told to, word by word, and waits for `goes_on` before the last word."""

    words: Sequence[str] = ("Toad", " did", " it.")
    goes_on: Any = None

    @property
    def _llm_type(self) -> str:
        return "parrot"

    def _generate(self, messages: list[BaseMessage], *args: Any, **options: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("".join(self.words), usage_metadata=USAGE))])

    def _stream(self, messages: list[BaseMessage], *args: Any, **options: Any) -> Iterator[ChatGenerationChunk]:
        for word in self.words:
            if self.goes_on is not None and word is self.words[-1]:
                assert self.goes_on.wait(10)
            last = word is self.words[-1]
            yield ChatGenerationChunk(message=AIMessageChunk(word, usage_metadata=USAGE if last else None))


def speak(state: RagState, context: Context) -> Update:
    return {"extra": {context.node: context.llm.invoke(state.query).text}}


async def aspeak(state: RagState, context: Context) -> Update:
    return {"extra": {context.node: (await context.llm.ainvoke(state.query)).text}}


def speaking(*, is_async: bool = False, **options: Any) -> RagGraph:
    return graph(
        "start -> a -> b -> end", cat("a", aspeak if is_async else speak, writes=["extra.a"]), *cats("b"), **options
    )


class Heard(BaseCallbackHandler):
    """What callbacks are told."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, list[str]]] = []
        self.tokens: list[str] = []

    def on_chain_start(self, serialized: Any, inputs: Any, **about: Any) -> None:
        self.runs.append((about["name"], about["tags"]))

    def on_chat_model_start(self, serialized: Any, messages: Any, **about: Any) -> None:
        self.runs.append(("llm", about["tags"]))


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


HITS = [Hit(Document(f"Toad {rank}.", id=str(rank), metadata={"page": rank}), 1 / rank, rank) for rank in range(1, 6)]


def find(state: RagState, context: Context) -> Update:
    return {"documents": HITS}


def finding() -> RagGraph:
    return graph("start -> a -> end", cat("a", find, writes=["documents"]))


class TestStandard(RetrieversIntegrationTests):
    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return GraphRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"graph": finding()}

    @property
    def retriever_query_example(self) -> str:
        return "Who?"


def test_a_retriever_gives_the_graphs_documents() -> None:
    retriever = finding().as_retriever(k=2)
    found = retriever.invoke("Who?")
    assert [(each.id, each.metadata) for each in found] == [
        ("1", {"page": 1, "score": 1.0, "rank": 1}),
        ("2", {"page": 2, "score": 0.5, "rank": 2}),
    ]
    assert "score" not in HITS[0].document.metadata
    assert len(retriever.invoke("Who?", k=4)) == 4
    assert len(finding().as_retriever().invoke("Who?")) == 5


def test_a_retriever_refuses_what_it_cannot_do() -> None:
    for options, message in (
        ({"kk": 3}, "unknown option 'kk'; did you mean 'k'"),
        ({"k": 0}, "greater than or equal to 1"),
    ):
        with pytest.raises(GraphError, match=message):
            finding().as_retriever(**options)
    with pytest.raises(GraphError, match="k must be at least 1, not 0"):
        finding().as_retriever().invoke("Who?", k=0)
    with pytest.raises(GraphError, match="the question is empty"):
        finding().as_retriever().invoke("")


def test_a_tool_answers_a_call_with_sources_and_the_state() -> None:
    citation = Citation("s", "toad.md", "Toad", ("Cars",), 0, 5, "Toad.", page=1)
    answer = Answer("Who?", (Statement("Toad did it.", (1,)),), (citation,), "quoted")
    tool = graph("start -> a -> end", cat("a", lambda state, context: {"answer": answer}, writes=["answer"])).as_tool()
    call: Any = {"type": "tool_call", "id": "1", "name": "cats", "args": {"question": "Who?"}}
    for message in (tool.invoke(call), asyncio.run(tool.ainvoke(call))):
        assert message.content == "Toad did it. [1]\n[1] toad.md (Toad > Cars), page 1 [0:5]"
        assert message.artifact.answer == answer
        assert message.tool_call_id == "1"
    assert (tool.name, tool.description) == ("cats", "Answers a question from documents.")
    assert list(tool.args) == ["question"]


def test_a_tool_of_a_graph_without_an_answer_gives_documents() -> None:
    tool = finding().as_tool(name="find", description="Finds toads.")
    assert (tool.name, tool.description) == ("find", "Finds toads.")
    assert tool.invoke({"question": "Who?"}).startswith("[1] 1, page 1 [0:7]\nToad 1.\n\n[2] ")
    with pytest.raises(GraphError, match="unknown option 'nmae'; did you mean 'name'"):
        finding().as_tool(nmae="x")


def test_a_tool_that_finds_nothing_says_so() -> None:
    nothing = cat("find", lambda state, context: {"documents": []}, writes=["documents"])
    assert graph("start -> find -> end", nothing).as_tool().invoke({"question": "Who?"}) == "Nothing was found."


def test_callbacks_reach_the_graph_behind_a_tool_and_a_retriever() -> None:
    for runnable, given in ((finding().as_tool(), {"question": "Who?"}), (finding().as_retriever(), "Who?")):
        heard = Heard()
        runnable.invoke(given, {"callbacks": [heard]})  # type: ignore[arg-type]
        assert "a" in [name for name, _ in heard.runs]


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
