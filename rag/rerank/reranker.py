"""What every reranker is: one verb, `rank`, and LangChain's document compressor on top of it."""

from __future__ import annotations

import asyncio
import threading
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Annotated, Any, Self

from langchain_core.documents import Document
from pydantic import Field, PrivateAttr

from ..llm.asked import as_documents
from .errors import RerankError
from .fusing import with_first_stage
from .runnable import Compressed, Compressor
from .types import Highlight, Passage, Ranked, Ranking, Scores


class Reranker(Compressor):
    """Puts documents into the order of their relevance for a query.

    A subclass scores passages; the rest is here. Passages are distinct and none is empty: documents that say the same
    are scored once and keep the order in which they were given, and those that say nothing come last. As a LangChain
    compressor it gives copies of the documents, with `relevance_score` in their metadata.

    Attributes:
        keep: how many of the best to return; None: all.
        first_stage: weight of the order in which the documents came, from 0 (it does not matter) to 1 (nothing else
            does). It decides between equals in any case; with a weight, documents that say the same have scores that
            differ. See `fusing.with_first_stage`.
    """

    keep: int | None = Field(default=None, ge=1)
    first_stage: Annotated[float, Field(ge=0, le=1)] = 0.0

    _cancelled: threading.Event | None = PrivateAttr(default=None)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, with some options changed; they are checked as those of a new one.

        Raises:
            ValidationError: there is no such option, or it cannot have that value.
        """
        copied = super().model_copy(deep=deep)
        options = {name: getattr(copied, name) for name in type(self).model_fields}
        return type(self)(**options | dict(update or {}))

    @abstractmethod
    def _score(self, query: str, passages: Sequence[Passage]) -> Scores:
        """Score at least one passage, each different and not empty, in the order in which they came."""

    def rank(self, query: str, documents: Sequence[Document | str]) -> Ranking:
        """Rank documents, or texts; the `title` and `heading` of a document's metadata are read before its text.

        Args:
            query: what they should be relevant for.
            documents: in the order of the first stage, best first.

        Raises:
            AskedError: `documents` is one text.
            Cancelled: nobody waits any longer, see `until`.
            RerankError: the query is empty, or this reranker cannot rank these documents.
            ModelError: the model failed.
        """
        if not query.strip():
            raise RerankError("the query is empty; documents are ranked for a query")
        given = as_documents(documents)
        passages = [Passage.of(document) for document in given]
        distinct = list(dict.fromkeys(passage for passage in passages if str(passage)))
        scored = self._score(query, distinct) if distinct else Scores([])
        places = {passage: place for place, passage in enumerate(distinct)}
        scores = self._with_first_stage(
            [scored.scores[places[passage]] if passage in places else None for passage in passages]
        )
        order = sorted(range(len(given)), key=lambda at: (passages[at] not in places, -scores[at]))
        ranked = [
            Ranked(given[at], scores[at], rank, at + 1, _highlights(scored, places.get(passages[at]), given[at]))
            for rank, at in enumerate(order[: self.keep], start=1)
        ]
        return Ranking(ranked, evaluated=scored.evaluated, reused=scored.reused, notes=scored.notes)

    def _with_first_stage(self, scores: Sequence[float | None]) -> list[float]:
        """The scores with the weight of their order; None, of what says nothing, becomes the lowest of the others."""

        def filled(own: Sequence[float | None]) -> list[float]:
            lowest = min((score for score in own if score is not None), default=0.0)
            return [lowest if score is None else score for score in own]

        if not self.first_stage:
            return filled(scores)
        weighed = with_first_stage(filled(scores), self.first_stage)
        return filled([None if own is None else score for own, score in zip(scores, weighed, strict=True)])

    async def arank(self, query: str, documents: Sequence[Document | str]) -> Ranking:
        """Rank as `rank` does, without blocking the event loop.

        A cancelled task ends what a model of this machine reads; others go on with what they were asked, and nobody
        hears of it.
        """
        cancelled = threading.Event()
        try:
            return await asyncio.to_thread(lambda: self.until(cancelled).rank(query, documents))
        finally:
            cancelled.set()

    def until(self, cancelled: threading.Event) -> Self:
        """This reranker, which ends what it does when the event is set, if what it asks can be stopped."""
        other = copy(self)
        other._cancelled = cancelled
        return other

    def _compressed(
        self, documents: Sequence[Document], query: str, cancelled: threading.Event | None = None
    ) -> Compressed:
        ranking = (self.until(cancelled) if cancelled else self).rank(query, documents)
        return [ranked.as_document() for ranked in ranking], ranking.notes


def _highlights(scored: Scores, place: int | None, document: Document) -> tuple[Highlight, ...]:
    """Highlights in the document's own text; those in the title have no place there."""
    if place is None or not scored.highlights:
        return ()
    start = Passage.text_start(document)
    own = (each._replace(start=each.start - start, end=each.end - start) for each in scored.highlights[place])
    return tuple(each for each in own if each.start >= 0)
