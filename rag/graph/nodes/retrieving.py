"""Nodes that search the corpus."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from ....stores.errors import QueryError
from ....stores.query import Mode
from ....stores.where import check_where
from ..context import Context
from ..node_type import node
from ..state import RagState, Update

K = 10

_WRITES = ("candidates", "documents")


def _checked(where: dict[str, Any]) -> dict[str, Any]:
    try:
        check_where(where)
    except QueryError as error:
        raise ValueError(str(error).removeprefix("where: ")) from None
    return where


HowMany = Annotated[int, Field(ge=1)]
Where = Annotated[dict[str, Any], AfterValidator(_checked)]


@node("dense", reads={"query"}, writes=_WRITES, needs={"corpus"})
def dense(state: RagState, context: Context, *, k: HowMany = K, where: Where | None = None) -> Update:
    """Search by meaning: the chunks whose vectors are nearest to the query's.

    Args:
        k: how many chunks to find.
        where: conditions on their metadata.
    """
    return _search(state, context, "dense", k, where)


@node("lexical", reads={"query"}, writes=_WRITES, needs={"corpus"})
def lexical(state: RagState, context: Context, *, k: HowMany = K, where: Where | None = None) -> Update:
    """Search by words: BM25.

    Args:
        k: how many chunks to find.
        where: conditions on their metadata.
    """
    return _search(state, context, "lexical", k, where)


@node("hybrid", reads={"query"}, writes=_WRITES, needs={"corpus"})
def hybrid(state: RagState, context: Context, *, k: HowMany = K, where: Where | None = None) -> Update:
    """Search by meaning and by words at once, fused by RRF.

    Args:
        k: how many chunks to find.
        where: conditions on their metadata.
    """
    return _search(state, context, "hybrid", k, where)


def _search(state: RagState, context: Context, mode: Mode, k: int, where: dict[str, Any] | None) -> Update:
    hits = context.corpus.search(state.query, k=k, mode=mode, where=where)
    return {"candidates": {context.node: hits}, "documents": hits}
