"""Small chunks found, their surroundings given to the LLM.

A small chunk is easier to find and a larger one easier to understand, so each hit grows to the section that it stands
in, or to a window around itself where the section is larger than the budget. A hit within what a better one has grown
to is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.documents import Document

from ...stores.corpus import Corpus
from ...stores.types import Hit

MAX_CHARACTERS = 2000
"""Of English some 450 tokens, so that one grown passage fits into the 600 that `rag.generate.citing` packs."""


def expand(corpus: Corpus, hits: Sequence[Hit], *, max_characters: int = MAX_CHARACTERS) -> list[Hit]:
    """Grow each hit to its section, at most `max_characters` long unless the chunk itself is longer; best first."""
    grown: list[tuple[Hit, int, int]] = []
    for hit in hits:
        metadata = hit.document.metadata
        start, end = _window(metadata["start"], metadata["end"], metadata["section"], max_characters)
        if not any(_overlaps(hit, start, end, other) for other in grown):
            grown.append((hit, start, end))
    expanded = []
    for rank, (hit, start, end) in enumerate(grown, start=1):
        source = corpus.source(hit.document.metadata["source_id"])
        if source is None:
            continue
        metadata = {**hit.document.metadata, "start": start, "end": end}
        if "highlights" in metadata:
            before = hit.document.metadata["start"] - start
            metadata["highlights"] = [[at + before, to + before, weight] for at, to, weight in metadata["highlights"]]
        document = Document(id=hit.document.id, page_content=source.text[start:end], metadata=metadata)
        expanded.append(Hit(document, hit.score, rank))
    return expanded


def _window(start: int, end: int, section: Sequence[int], limit: int) -> tuple[int, int]:
    """The section if it fits, else a window of `limit` characters around the chunk, within the section."""
    first, last = min(section[0], start), max(section[1], end)
    if last - first <= limit:
        return first, last
    spare = max(0, limit - (end - start))
    begin = max(first, min(start - spare // 2, last - limit))
    return begin, max(end, min(last, begin + limit))


def _overlaps(hit: Hit, start: int, end: int, other: tuple[Hit, int, int]) -> bool:
    best, first, last = other
    same = best.document.metadata["source_id"] == hit.document.metadata["source_id"]
    chunk_start, chunk_end = hit.document.metadata["start"], hit.document.metadata["end"]
    return same and first <= chunk_start and chunk_end <= last and start < last and first < end
