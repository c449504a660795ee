"""What takes documents and a query, and gives documents: LangChain's document compressor, in one place."""

from __future__ import annotations

import asyncio
import logging
import threading
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextvars import Context
from typing import Any

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.runnables import Runnable, RunnableLambda
from pydantic import ConfigDict

from ..llm.asked import asked_for
from ..llm.configured import configured
from ..llm.copying import Copied

_log = logging.getLogger(__name__)

Compressed = tuple[list[Document], Sequence[str]]
"""The documents that are given, and what a user should know of it, such as that documents were cut."""


def _reporting_to(callbacks: Callbacks | None) -> Context:
    """A context in which models report to these, or, where there are none, to whom they would have reported anyway."""
    return configured({} if callbacks is None else {"callbacks": callbacks})


class Compressor(BaseDocumentCompressor, Copied):
    """A document compressor, which a subclass makes by one method, `_compressed`; notes are logged as warnings."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    @abstractmethod
    def _compressed(
        self, documents: Sequence[Document], query: str, cancelled: threading.Event | None = None
    ) -> Compressed:
        """What is given for these documents; `cancelled` is set as soon as nobody waits for it any longer."""

    def compress_documents(
        self,
        documents: Sequence[Document],
        query: str,
        callbacks: Callbacks | None = None,
    ) -> list[Document]:
        """Copies of the documents that are given, or of parts of them; what a user should know is logged.

        Models that are called report to `callbacks`.
        """
        return self._told(_reporting_to(callbacks).run(self._compressed, documents, query))

    async def acompress_documents(
        self,
        documents: Sequence[Document],
        query: str,
        callbacks: Callbacks | None = None,
    ) -> list[Document]:
        """Compress as `compress_documents` does, without blocking the event loop; a cancelled task ends what can be."""
        cancelled = threading.Event()
        try:
            run = _reporting_to(callbacks).run
            return self._told(await asyncio.to_thread(run, self._compressed, documents, query, cancelled))
        finally:
            cancelled.set()

    def as_runnable(self) -> Runnable[Mapping[str, Any], list[Document]]:
        """A Runnable of `{"query": ..., "documents": ...}` to documents, for a chain with `|`.

        `"question"` is taken for `"query"`, so `RunnablePassthrough.assign(documents=reranker.as_runnable())` fits
        before what answers from `{"question": ..., "documents": ...}`.
        """

        def compress(asked: Mapping[str, Any]) -> list[Document]:
            query, documents = asked_for(asked, "query", "documents")
            return self.compress_documents(documents, query)

        async def acompress(asked: Mapping[str, Any]) -> list[Document]:
            query, documents = asked_for(asked, "query", "documents")
            return await self.acompress_documents(documents, query)

        return RunnableLambda(compress, acompress, name=type(self).__name__)

    def _told(self, compressed: Compressed) -> list[Document]:
        documents, notes = compressed
        for note in notes:
            _log.warning("%s: %s", type(self).__name__, note)
        return documents
