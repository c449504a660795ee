"""Keeping those hits that meet conditions, with a tally of why the others are gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...stores.matching import matcher
from ...stores.types import Hit
from ...stores.where import Where


@dataclass(frozen=True, slots=True)
class Filtered:
    """What a filter left.

    Attributes:
        hits: those kept, ranked anew; their scores are as they were.
        unmet: how many do not meet the conditions on metadata.
        low: how many of the others have too low a score.
        over: how many of the rest are more than were to be kept.
    """

    hits: tuple[Hit, ...]
    unmet: int
    low: int
    over: int

    def __str__(self) -> str:
        reasons = (
            (self.unmet, "not meeting the conditions"),
            (self.low, "scoring too low"),
            (self.over, "more than wanted"),
        )
        told = ", ".join(f"{count} {reason}" for count, reason in reasons if count)
        before = len(self.hits) + self.unmet + self.low + self.over
        return f"{before} -> {len(self.hits)}: {told}" if told else f"{before} -> {len(self.hits)}"


def keep_hits(
    hits: Sequence[Hit], *, where: Where | None = None, min_score: float | None = None, keep: int | None = None
) -> Filtered:
    """Keep the hits that meet all that is given, in their order.

    ```python
    from langchain_core.documents import Document
    from ragloom.rag.retrieve import keep_hits
    from ragloom.stores import Hit

    pages = [Hit(Document("...", metadata={"year": 2018 + n}), 0.9, n) for n in range(1, 5)]
    print(keep_hits(pages, where={"year": {"$gte": 2020}}, keep=2))
    # -> 4 -> 2: 1 not meeting the conditions, 1 more than wanted
    ```

    Args:
        hits: best first.
        where: conditions on metadata, as in `Corpus.search`.
        min_score: the lowest score; what a score means depends on who gave it (see `Hit`).
        keep: how many to keep, the first ones.

    Raises:
        QueryError: `where` is malformed.
    """
    meets = matcher(where or {})
    met = [hit for hit in hits if meets(hit.document.metadata)]
    good = [hit for hit in met if min_score is None or hit.score >= min_score]
    kept = good[:keep]
    ranked = tuple(Hit(hit.document, hit.score, rank) for rank, hit in enumerate(kept, start=1))
    return Filtered(ranked, len(hits) - len(met), len(met) - len(good), len(good) - len(kept))
