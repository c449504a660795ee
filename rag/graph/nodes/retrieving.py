"""Nodes that search the corpus."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from ...._explain import count
from ....stores.errors import QueryError
from ....stores.query import Mode
from ....stores.types import Hit
from ....stores.where import check_where, joined
from ..context import Context
from ..node_type import NodeType, node
from ..state import RagState, Update

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ....stores.corpus import Corpus

K = 10


def _checked(where: dict[str, Any]) -> dict[str, Any]:
    try:
        check_where(where)
    except QueryError as error:
        raise ValueError(str(error).removeprefix("where: ")) from None
    except RecursionError:  # an alias of itself
        raise ValueError("is nested without end") from None
    return where


HowMany = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Where = Annotated[dict[str, Any], AfterValidator(_checked)]


def moved_vector(state: RagState, corpus: Corpus) -> NDArray[np.float32] | None:
    """The vector that the query's was moved to, if it stands for the query as it is now."""
    vector = state.vector
    return vector.within(corpus.embedder_fingerprint) if vector and vector.query == state.query else None


def _found(state: RagState, context: Context, where: Where | None, query: str, **options: Any) -> list[Hit]:
    """What a search finds under the conditions `where` of the node, and those that the question wants."""
    corpus, wanted = context.corpus, state.where
    if options["mode"] != "lexical" and len(corpus):
        with context.timed("loading the embedder"):
            corpus.check_embedder()
    hits = corpus.search(query, where=joined([where or {}, wanted]), **options)
    asked = f", where the question wants {json.dumps(wanted, ensure_ascii=False)}" if wanted else ""
    context.note(f"{count(len(corpus), 'chunk')} -> {len(hits)}{asked}")
    return hits


def _retriever(mode: Mode, summary: str) -> NodeType:
    has_vector = mode != "lexical"

    def retrieve(state: RagState, context: Context, *, k: HowMany = K, where: Where | None = None) -> Update:
        vector = moved_vector(state, context.corpus) if has_vector else None
        hits = _found(state, context, where, state.query, mode=mode, k=k, vector=vector)
        if vector is not None:
            context.note(f"by the vector of {state.vector}")
        return {"candidates": {context.node: hits}, "documents": hits}

    retrieve.__doc__ = f"""{summary}

    Args:
        k: how many chunks to find.
        where: conditions on their metadata, besides those taken from the question.
    """
    reads = {"query", "where", *(["vector"] if has_vector else [])}
    return node(mode, reads=reads, writes={"candidates", "documents"}, needs={"corpus"})(retrieve)


dense = _retriever("dense", "Search by meaning: the chunks whose vectors are nearest to the query's.")
lexical = _retriever("lexical", "Search by words: BM25.")
hybrid = _retriever("hybrid", "Search by meaning and by words at once, fused by RRF.")


@node("subsearch", reads={"subquestions", "where"}, writes={"candidates", "documents"}, needs={"corpus"})
def subsearch(
    state: RagState,
    context: Context,
    *,
    number: HowMany,
    k: HowMany = K,
    mode: Mode = "hybrid",
    where: Where | None = None,
) -> Update:
    """Search for one of the questions that the question was divided into; for nothing if there are not so many.

    Args:
        number: which of them, from 1.
        k: how many chunks to find.
        mode: `hybrid`, `dense` or `lexical`.
        where: conditions on their metadata, besides those taken from the question.
    """
    if number > len(state.subquestions):
        context.note("there is no such question")
        return {"candidates": {context.node: []}, "documents": []}
    question = state.subquestions[number - 1]
    context.note(question)
    hits = _found(state, context, where, question, mode=mode, k=k)
    return {"candidates": {context.node: hits}, "documents": hits}
