"""Marking, in what a search found, the words that a model attends to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...stores.types import Hit
from ..llm.base import ChatModel
from .icr import IcrReranker


def mark(query: str, hits: Sequence[Hit], llm: ChatModel) -> tuple[list[Hit], tuple[str, ...]]:
    """Read with the query what it found.

    Returns:
        The hits as they are, with `highlights` in their metadata: `[start, end, weight]` of the words, heaviest first;
        and what a user should know of it, such as how many documents were cut.

    Raises:
        AttentionUnavailable: the model's attention cannot be read.
    """
    ranking = IcrReranker(llm=llm, explain=True).rank(query, [hit.document for hit in hits])
    by_place = sorted(ranking, key=lambda ranked: ranked.given)
    marked = [replace(hit, document=ranked.as_explained()) for hit, ranked in zip(hits, by_place, strict=True)]
    return marked, ranking.notes
