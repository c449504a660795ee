"""Small chunks found, their surroundings given to the LLM.

A small chunk is easier to find and a larger one easier to understand, so each hit grows to the section that it stands
in, or to a window around itself where the section is larger than the budget. A hit within what a better one has grown
to is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.documents import Document

from ...stores.corpus import Corpus
from ...stores.types import Hit, Source

MAX_CHARACTERS = 2000
"""Of English some 450 tokens, so that one grown passage fits into the 600 that `rag.generate.citing` packs."""


def expand(corpus: Corpus, hits: Sequence[Hit], *, max_characters: int = MAX_CHARACTERS) -> list[Hit]:
    """Grow each hit to its section, at most `max_characters` long unless the chunk itself is longer; best first.

    What is not of this corpus stays as it is.
    """
    grown: list[tuple[Hit, int, int]] = []
    sources = _sources(corpus, hits)
    for hit in hits:
        if sources[id(hit)] is None:
            grown.append((hit, 0, 0))
            continue
        metadata = hit.document.metadata
        start, end = _window(metadata["start"], metadata["end"], metadata["section"], max_characters)
        if not any(_overlaps(hit, start, end, other) for other in grown if sources[id(other[0])] is not None):
            grown.append((hit, start, end))
    expanded = []
    for rank, (hit, start, end) in enumerate(grown, start=1):
        source = sources[id(hit)]
        if source is None:
            expanded.append(Hit(hit.document, hit.score, rank))
            continue
        metadata = {**hit.document.metadata, "start": start, "end": end}
        if "highlights" in metadata:
            before = hit.document.metadata["start"] - start
            metadata["highlights"] = [[at + before, to + before, weight] for at, to, weight in metadata["highlights"]]
        document = Document(id=hit.document.id, page_content=source.text[start:end], metadata=metadata)
        expanded.append(Hit(document, hit.score, rank))
    return expanded


def _sources(corpus: Corpus, hits: Sequence[Hit]) -> dict[int, Source | None]:
    """The source that each hit is a part of, by the hit's `id()`; None: another text stands there in it, or none."""
    placed = [hit for hit in hits if hit.document.metadata.keys() >= {"source_id", "start", "end", "section"}]
    by_id = {name: corpus.source(name) for name in {hit.document.metadata["source_id"] for hit in placed}}
    found: dict[int, Source | None] = dict.fromkeys(map(id, hits))
    for hit in placed:
        metadata, source = hit.document.metadata, by_id[hit.document.metadata["source_id"]]
        if source and source.text[metadata["start"] : metadata["end"]] == hit.document.page_content:
            found[id(hit)] = source
    return found


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
