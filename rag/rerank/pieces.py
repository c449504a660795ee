"""Documents that are too long to be read at once, in pieces.

A reranker cuts them, for their beginning mostly tells what they are about. Where it matters which sentences of a
document are relevant, all of it has to be read: in pieces that part between sentences where they can, each after the
document's title.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from langchain_core.documents import Document

from ..._explain import count
from ..ingest.span import Span
from .fitting import SHORTEST
from .icr import IcrReranker
from .types import Highlight, Ranked, Ranking
from .units import units

_MORE = 4  # tokens that the numbers of some more passages take


def rank_in_pieces(
    reranker: IcrReranker, query: str, documents: Sequence[Document], *, language: str = "en"
) -> Ranking:
    """Rank as `reranker` does, and read all of each document.

    A document that is read in pieces has the score of the best of them, and the highlights of all.

    Args:
        reranker: keeps all that it ranks.
        query: what is asked.
        documents: in the order of the first stage, best first.
        language: of the documents, for finding their sentences.

    Raises:
        RerankError: the query is empty.
        ModelError: the model failed.
    """
    sizes = reranker.sizes(documents)
    if not sizes or not query.strip() or max(sizes) <= reranker.read_of(query, sizes):
        return reranker.rank(query, documents)
    longest = reranker.always_read(query) - _MORE
    tokens = reranker.llm.count_tokens
    read: list[_Piece] = []
    for place, (document, size) in enumerate(zip(documents, sizes, strict=True)):
        text, starts = document.page_content, [0]
        if size > longest:
            around = size - tokens(text)
            starts = list(_starts(text, units(text, language), max(longest - around, SHORTEST), tokens))
        read += [_Piece(place, start, end) for start, end in pairwise([*starts, len(text)])]
    ranking = reranker.rank(query, [piece.of(documents) for piece in read])
    joined = _joined(ranking, read, documents)
    notes = [note.replace("document", "piece") for note in ranking.notes]  # which is what was ranked
    notes.append(f"{count(len(documents), 'document')} read in {len(read)} pieces")
    return Ranking(joined, evaluated=ranking.evaluated, reused=ranking.reused, notes=notes)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of the document at some place."""

    place: int
    start: int
    end: int

    def of(self, documents: Sequence[Document]) -> Document:
        document = documents[self.place]
        return Document(document.page_content[self.start : self.end], metadata=document.metadata)


def _starts(text: str, parts: Iterable[Span], longest: int, tokens: Callable[[str], int]) -> Iterator[int]:
    """Where pieces begin, with as many of the parts as `longest` tokens allow."""
    taken = 0
    yield 0
    for start, end in pairwise([0, *(part.start for part in parts if part.start), len(text)]):
        for at, stop in _halved(text, start, end, longest, tokens):
            size = tokens(text[at:stop])
            if at and taken + size > longest:
                yield at
                taken = 0
            taken += size


def _halved(text: str, start: int, end: int, longest: int, tokens: Callable[[str], int]) -> Iterator[tuple[int, int]]:
    """A stretch that is too long by itself, in halves that part between words if there are any."""
    if end - start < 2 or tokens(text[start:end]) <= longest:
        yield start, end
        return
    middle = (start + end) // 2
    blank = max(text.rfind(each, start + 1, middle) for each in " \n")
    middle = blank if blank > start else middle
    yield from _halved(text, start, middle, longest, tokens)
    yield from _halved(text, middle, end, longest, tokens)


def _joined(ranking: Ranking, read: Sequence[_Piece], documents: Sequence[Document]) -> list[Ranked]:
    """The documents in the order of their best pieces."""
    found: dict[int, list[Ranked]] = {}
    for ranked in ranking:
        found.setdefault(read[ranked.given - 1].place, []).append(ranked)
    return [
        Ranked(documents[place], own[0].score, rank, place + 1, _moved(own, read))
        for rank, (place, own) in enumerate(found.items(), start=1)
    ]


def _moved(own: Sequence[Ranked], read: Sequence[_Piece]) -> tuple[Highlight, ...]:
    """The highlights of a document's pieces, where they are in the whole."""
    moved = [
        each._replace(start=each.start + start, end=each.end + start)
        for ranked in own
        for start in [read[ranked.given - 1].start]
        for each in ranked.highlights
    ]
    return tuple(sorted(moved, key=lambda each: -each.weight))
