"""Compressing documents: of a context that is too long, keep the sentences to which the query attends.

What ICR reads for ranking says also which sentences of a document matter: a sentence's weight is the sum of the
calibrated scores of its words. Sentences are taken by weight, the heaviest first, as long as they fit into the budget,
and stay in their order. Taking them by weight per token was tried: it keeps the answer more often within some budgets
and less often within small ones, which it fills with headings and other short scraps.

ILRe (Liang et al. 2025, "Intermediate Layer Retrieval for Context Compression in Causal LLMs") keeps tokens by the
attention of one layer in the same way; we keep whole sentences, which can be cited.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache

from langchain_core.documents import Document
from pydantic import Field

from ..ingest.span import Span
from .explaining import weight_of
from .icr import IcrReranker
from .pieces import rank_in_pieces
from .runnable import Compressed, Compressor
from .types import Ranked
from .units import units


class IcrCompressor(Compressor):
    """Keeps the sentences that matter for a query, within a budget of tokens.

    What is kept of a document becomes one document for each run of neighbouring sentences, with the metadata of the
    whole one; `start` and `end` there are moved, so that a citation points to the right place.

    ```python
    from langchain_core.documents import Document
    from ragloom import load
    from ragloom.rag.rerank import IcrCompressor, IcrReranker

    text = "Rain is wet. The cat sleeps all day. Trains run late in winter."
    with load("embedded", n_ctx=1024) as llm:
        compressor = IcrCompressor(reranker=IcrReranker(llm=llm), max_tokens=10)
        kept = compressor.compress_documents([Document(page_content=text)], "What does the cat do?")
        print(kept[0].page_content)  # -> The cat sleeps all day.
    ```

    Attributes:
        reranker: reads the attention; its `keep` says of how many documents at most something is kept.
        max_tokens: the budget, in tokens of the reranker's model.
        language: of the documents, for finding their sentences.
    """

    reranker: IcrReranker
    max_tokens: int = Field(default=1000, ge=1)
    language: str = "en"

    def _compressed(
        self, documents: Sequence[Document], query: str, cancelled: threading.Event | None = None
    ) -> Compressed:
        """Keep what matters, documents by rank and sentences in their order; none where no sentence fits."""
        explaining = self.reranker.model_copy(update={"explain": True, "keep": None})
        reranker = explaining.until(cancelled) if cancelled else explaining
        ranking = rank_in_pieces(reranker, query, documents, language=self.language)
        best = _distinct(ranking)[: self.reranker.keep]
        kept = compress(best, self.max_tokens, self.reranker.llm.count_tokens, language=self.language)
        if kept or not any(ranked.document.page_content.strip() for ranked in best):
            return kept, ranking.notes
        return [], [*ranking.notes, f"nothing is kept: no sentence has {self.max_tokens} tokens or fewer"]


def compress(
    ranking: Sequence[Ranked], max_tokens: int, count_tokens: Callable[[str], int], *, language: str = "en"
) -> list[Document]:
    """The sentences of a ranking with highlights that weigh most, as documents.

    Args:
        ranking: ranked documents, each with highlights for all words that were read; what was not is not kept. Of
            documents with the same text, only the first one counts.
        max_tokens: how many tokens the kept documents may have together.
        count_tokens: how many tokens a text is.
        language: of the documents.
    """
    distinct = _distinct(ranking)
    parts = [list(units(ranked.document.page_content, language)) for ranked in distinct]

    @cache
    def size(place: int, run: Span) -> int:
        return count_tokens(distinct[place].document.page_content[run.start : run.end])

    kept: list[set[int]] = [set() for _ in distinct]
    left = max_tokens
    weighed = [
        (-weight, place, at) for place, ranked in enumerate(distinct) for at, weight in _weights(ranked, parts[place])
    ]
    for _, place, at in sorted(weighed):
        before, after = (_runs(numbers, parts[place]) for numbers in (kept[place], kept[place] | {at}))
        more = sum(size(place, run) for run in after) - sum(size(place, run) for run in before)
        if more <= left:
            left -= more
            kept[place].add(at)
    return [
        _part(ranked.document, run)
        for ranked, numbers, known in zip(distinct, kept, parts, strict=True)
        for run in _runs(numbers, known)
    ]


def _distinct(ranking: Sequence[Ranked]) -> list[Ranked]:
    """The first of those with the same text."""
    by_text: dict[str, Ranked] = {}
    for ranked in ranking:
        by_text.setdefault(ranked.document.page_content, ranked)
    return list(by_text.values())


def _weights(ranked: Ranked, units: Sequence[Span]) -> Iterator[tuple[int, float]]:
    """The numbers of the units of which a word was read, with what their words weigh."""
    for at, unit in enumerate(units):
        weight = weight_of(ranked.highlights, unit.start, unit.end)
        if weight is not None:
            yield at, weight


def _runs(numbers: Collection[int], units: Sequence[Span]) -> list[Span]:
    """Units by their numbers; neighbours are one span, with what stands between them."""
    runs: list[Span] = []
    last = -2
    for at in sorted(numbers):
        if at == last + 1:
            runs[-1] = Span(runs[-1].start, units[at].end)
        else:
            runs.append(units[at])
        last = at
    return runs


def _part(document: Document, span: Span) -> Document:
    """A stretch of a document, as a document."""
    metadata = {name: value for name, value in document.metadata.items() if name != "highlights"}  # of the whole text
    start = metadata.get("start")
    if isinstance(start, int):
        metadata |= {"start": start + span.start, "end": start + span.end}
    whole = span == (0, len(document.page_content))
    name = document.id if whole or not document.id else f"{document.id}[{span.start}:{span.end}]"
    return Document(id=name, page_content=document.page_content[span.start : span.end], metadata=metadata)
