"""Nodes that search the corpus."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from ...._explain import count
from ....stores.errors import QueryError
from ....stores.query import Mode
from ....stores.where import check_where, joined
from ..context import Context
from ..node_type import NodeType, node
from ..state import RagState, Update

K = 10


def _checked(where: dict[str, Any]) -> dict[str, Any]:
    try:
        check_where(where)
    except QueryError as error:
        raise ValueError(str(error).removeprefix("where: ")) from None
    return where


HowMany = Annotated[int, Field(ge=1)]
Where = Annotated[dict[str, Any], AfterValidator(_checked)]


def _retriever(mode: Mode, summary: str) -> NodeType:
    def retrieve(state: RagState, context: Context, *, k: HowMany = K, where: Where | None = None) -> Update:
        corpus = context.corpus
        if mode != "lexical" and len(corpus):
            with context.timed("loading the embedder"):
                corpus.check_embedder()
        hits = corpus.search(state.query, k=k, mode=mode, where=joined([where or {}, state.where]))
        asked = f", where the question wants {json.dumps(state.where, ensure_ascii=False)}" if state.where else ""
        context.note(f"{count(len(corpus), 'chunk')} -> {len(hits)}{asked}")
        return {"candidates": {context.node: hits}, "documents": hits}

    retrieve.__doc__ = f"""{summary}

    Args:
        k: how many chunks to find.
        where: conditions on their metadata, besides those taken from the question.
    """
    return node(mode, reads={"query", "where"}, writes={"candidates", "documents"}, needs={"corpus"})(retrieve)


dense = _retriever("dense", "Search by meaning: the chunks whose vectors are nearest to the query's.")
lexical = _retriever("lexical", "Search by words: BM25.")
hybrid = _retriever("hybrid", "Search by meaning and by words at once, fused by RRF.")
