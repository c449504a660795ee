"""A graph as a LangChain retriever: what it ends with as `documents`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextvars import Context
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig
from pydantic import ConfigDict, Field, ValidationError

from ..._explain import first_problem
from ..llm.configured import configured
from .errors import GraphError
from .rag_graph import RagGraph
from .state import RagState


class GraphRetriever(BaseRetriever):
    """Runs a graph and gives the documents that it ends with, best first; metadata gets `score` and `rank`.

    Attributes:
        graph: what is run.
        k: at most so many documents; None: all. May be overridden in `invoke`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    graph: RagGraph
    k: int | None = Field(default=None, ge=1)

    def invoke(self, input: str, config: RunnableConfig | None = None, **overrides: Any) -> list[Document]:  # noqa: A002
        """Run the graph, on the thread that `config` names, if any."""
        return _with_thread(config).run(super().invoke, input, config, **overrides)

    async def ainvoke(self, input: str, config: RunnableConfig | None = None, **overrides: Any) -> list[Document]:  # noqa: A002
        """Run the graph as `invoke` does, without blocking the event loop."""
        return await asyncio.create_task(super().ainvoke(input, config, **overrides), context=_with_thread(config))

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        return self._documents(self.graph.invoke(query, {"callbacks": run_manager.get_child()}), k)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        return self._documents(await self.graph.ainvoke(query, {"callbacks": run_manager.get_child()}), k)

    def _documents(self, state: RagState, k: int | None) -> list[Document]:
        if k is not None and k < 1:
            raise GraphError(f"k must be at least 1, not {k!r}")
        return [hit.as_document() for hit in state.documents[: k or self.k]]


def _with_thread(config: RunnableConfig | None) -> Context:
    """A context in which the graph is told the `thread_id`, which LangChain's retrievers keep to themselves."""
    return configured({"configurable": (config or {}).get("configurable", {})})


def make_retriever(graph: RagGraph, options: Mapping[str, Any]) -> GraphRetriever:
    """Make a retriever with these fields.

    Raises:
        GraphError: there is no such field, or it cannot have that value.
    """
    try:
        return GraphRetriever(graph=graph, **options)
    except ValidationError as error:
        raise GraphError(first_problem(error, "option", ("k",))) from None
