"""A document compressor as a step of a chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.runnables import Runnable, RunnableLambda


def as_runnable(compressor: BaseDocumentCompressor) -> Runnable[Mapping[str, Any], list[Document]]:
    """A Runnable of `{"query": ..., "documents": ...}` to what the compressor makes of the documents."""

    def compress(asked: Mapping[str, Any]) -> list[Document]:
        return list(compressor.compress_documents(asked["documents"], asked["query"]))

    async def acompress(asked: Mapping[str, Any]) -> list[Document]:
        return list(await compressor.acompress_documents(asked["documents"], asked["query"]))

    return RunnableLambda(compress, acompress, name=type(compressor).__name__)
