"""A graph serves as a retriever and as a tool."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from kittens import cat, graph
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests
from parrots import Heard
from ragloom.rag.generate.types import Answer, Citation, Statement
from ragloom.rag.graph import (
    Context,
    GraphError,
    GraphRetriever,
    RagGraph,
    RagState,
    Update,
)
from ragloom.stores.types import Hit

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
