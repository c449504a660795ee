"""The values that rerankers take and give."""

from __future__ import annotations

import string
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from langchain_core.documents import Document

from ...stores.types import context_of

IDENTIFIERS = string.ascii_uppercase
"""What passages are called where a model is asked for their order."""

MOST_HIGHLIGHTS = 10
"""How many a document's metadata has; a `Ranked` has all."""


class Highlight(NamedTuple):
    """A span of a document's text that drew attention.

    Attributes:
        start: offset of its first character in `page_content`.
        end: offset after its last character.
        weight: how much of the document's score it is; what lowers the score is below 0.
    """

    start: int
    end: int
    weight: float


@dataclass(frozen=True, slots=True)
class Ranked:
    """A document and its place.

    Attributes:
        document: as it was given.
        score: higher is better; what it means depends on the reranker.
        rank: 1 for the best.
        given: its place in the list that was ranked, from 1: its rank in the first stage.
        highlights: each word and what attention it drew, the most first, where that was asked for.
    """

    document: Document
    score: float
    rank: int
    given: int
    highlights: tuple[Highlight, ...] = ()

    def as_document(self) -> Document:
        """A copy of the document that says in its metadata how it was ranked, under LangChain's `relevance_score`."""
        return self._with_metadata({"relevance_score": self.score})

    def as_explained(self) -> Document:
        """The document with its highlights in its metadata, if any: `{"highlights": [[start, end, weight], ...]}`."""
        return self._with_metadata({})

    def _with_metadata(self, added: dict[str, Any]) -> Document:
        most = [list(each) for each in self.highlights[:MOST_HIGHLIGHTS] if each.weight > 0]
        if most:
            added = {**added, "highlights": most}
        if not added:
            return self.document
        return self.document.model_copy(update={"metadata": {**self.document.metadata, **added}})


class Ranking(list[Ranked]):
    """Documents, best first, and what ranking them cost.

    Attributes:
        evaluated: tokens that a model read for this.
        reused: tokens whose KV was there already.
        notes: what a user should know of it, such as how many documents were cut.
    """

    def __init__(
        self, ranked: Iterable[Ranked] = (), *, evaluated: int = 0, reused: int = 0, notes: Iterable[str] = ()
    ) -> None:
        """Hold what was ranked, best first."""
        super().__init__(ranked)
        self.evaluated = evaluated
        self.reused = reused
        self.notes = tuple(notes)


class Passage(NamedTuple):
    """What a model reads of a document.

    Attributes:
        title: its title, and the headings it stands under, in one line; empty if it has none.
        text: its text, without white space around it.
    """

    title: str
    text: str

    @classmethod
    def of(cls, document: Document) -> Passage:
        """The document's text, and the `title` and `heading` of its metadata, if there are any."""
        return cls(context_of(document), document.page_content.strip())

    def __str__(self) -> str:
        return "\n".join(filter(None, self))

    @classmethod
    def text_start(cls, document: Document) -> int:
        """Where `page_content` would begin in the whole: less than where the text does, if white space is left out."""
        title, text = cls.of(document)
        return (len(title) + 1 if title else 0) - document.page_content.find(text)


@dataclass(frozen=True, slots=True)
class Scores:
    """What a reranker found out about some passages.

    Attributes:
        scores: one for each, higher is better.
        evaluated: tokens that a model read for this.
        reused: tokens whose KV was there already.
        notes: what a user should know of it.
        highlights: of each passage, spans of its `str`; none where they were not asked for.
    """

    scores: list[float]
    evaluated: int = 0
    reused: int = 0
    notes: tuple[str, ...] = ()
    highlights: tuple[tuple[Highlight, ...], ...] = ()
