"""Nodes that narrow down: the documents by conditions, or the search by what the question says."""

from __future__ import annotations

from ...retrieve import filtering, self_querying
from ..context import Context
from ..node_type import node
from ..state import RagState, Update
from .retrieving import HowMany, Where


@node("filter", reads={"documents"}, writes={"documents"})
def filter_(
    state: RagState,
    context: Context,
    *,
    where: Where | None = None,
    min_score: float | None = None,
    keep: HowMany | None = None,
) -> Update:
    """Keep the documents that meet conditions.

    Args:
        where: conditions on their metadata, as those of a search.
        min_score: the lowest score; its scale is that of the node that found the documents.
        keep: how many documents to keep, the first ones.
    """
    filtered = filtering.keep_hits(state.documents, where=where, min_score=min_score, keep=keep)
    context.note(str(filtered))
    return {"documents": list(filtered.hits)}


@node("self-query", reads={"query"}, writes={"where"}, needs={"corpus", "llm"})
def self_query(state: RagState, context: Context, *, fields: list[str] | None = None, relax: bool = True) -> Update:
    """Take conditions on metadata from the query; the nodes that search keep to them.

    Args:
        fields: the metadata's fields that may become conditions; by default all.
        relax: leave out a condition if no chunk meets it together with those before it.
    """
    found = self_querying.self_query(
        state.query, context.corpus, context.llm, fields=fields, relax=relax, cancelled=context.cancelled
    )
    for note in found.notes:
        context.note(note, is_transient=found.has_failed)
    return {"where": dict(found.where)}
