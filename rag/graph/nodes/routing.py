"""The node that chooses which corpus a question goes to."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from ...retrieve import routing
from ..context import Context
from ..node_type import WITH_CORPUS, node
from ..state import RagState, Update
from .retrieving import HowMany


def _distinct(names: list[str]) -> list[str]:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"names {twice!r} twice")
    if len(names) < 2:
        raise ValueError("should name at least two nodes to choose from")
    return names


@node("route", reads={"query"}, writes={"route"})
def route(
    state: RagState,
    context: Context,
    *,
    among: Annotated[list[str], AfterValidator(_distinct), WITH_CORPUS],
    centroids: HowMany = routing.CENTROIDS,
) -> Update:
    """Choose the node whose corpus is nearest to the query (semantic routing).

    Args:
        among: the nodes to choose from, each with a corpus of its own; decisions then ask `route == NODE`.
        centroids: how many centroids describe a corpus.
    """
    corpora = {name: context.corpus_of(name) for name in among}
    with context.timed("comparing the corpora"):
        found = routing.route(state.query, corpora, count=centroids)
    context.note(", ".join(f"{each.name} {each.score:.2f}" for each in found))
    return {"route": found[0].name}
