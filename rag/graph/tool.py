"""A graph as a LangChain tool: an agent asks it a question and reads the answer with its sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.callbacks import Callbacks
from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field

from ..._explain import unknown
from ..display import place
from ..generate.types import Citation
from .errors import GraphError
from .rag_graph import RagGraph
from .state import RagState

NOTHING_FOUND = "Nothing was found."

_OPTIONS = ("name", "description")


class Question(BaseModel):
    """What the tool is called with."""

    question: str = Field(description="A whole question, understandable by itself.")


def make_tool(graph: RagGraph, options: Mapping[str, Any]) -> BaseTool:
    """Make a tool.

    Raises:
        GraphError: there is no such option.
    """
    for option in options:
        if option not in _OPTIONS:
            raise GraphError(unknown("option", option, _OPTIONS))

    def ask(question: str, callbacks: Callbacks = None) -> tuple[str, RagState]:
        state = graph.invoke(question, {"callbacks": callbacks})
        return _told(state), state

    async def aask(question: str, callbacks: Callbacks = None) -> tuple[str, RagState]:
        state = await graph.ainvoke(question, {"callbacks": callbacks})
        return _told(state), state

    return StructuredTool.from_function(
        ask,
        coroutine=aask,
        name=options.get("name") or graph.spec.name or "ask",
        description=options.get("description") or graph.spec.description or "Answers a question from documents.",
        args_schema=Question,
        response_format="content_and_artifact",
    )


def _told(state: RagState) -> str:
    """The answer and its sources; where the graph makes no answer, the documents under their sources."""
    if state.answer is not None:
        sources = [f"[{number}] {place(each)}" for number, each in enumerate(state.citations, start=1)]
        return "\n".join([state.answer.text, *sources])
    found = [
        f"[{number}] {place(Citation.of(hit.document))}\n{hit.document.page_content}"
        for number, hit in enumerate(state.documents, start=1)
    ]
    return "\n\n".join(found) or NOTHING_FOUND
