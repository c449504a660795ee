"""What all retrievers over a store have in common."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict


class StoreRetriever(BaseRetriever):
    """Searches in a thread where it is awaited, with the options given there; LangChain's own would refuse them."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **overrides: Any
    ) -> list[Document]:
        manager = run_manager.get_sync()
        return await asyncio.to_thread(partial(self._get_relevant_documents, query, run_manager=manager, **overrides))
