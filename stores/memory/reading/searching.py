"""Searching: look in every way, put what was found in order, and say why each was found."""

from __future__ import annotations

from collections.abc import Collection

from ..file import Reading
from ..parts import Parts
from .asked import Options
from .found import records_of
from .gathering import gather
from .hits import Item, MemoryHit, MemoryHits
from .pool import Pool


def search(reading: Reading, parts: Parts, query: str, options: Options) -> MemoryHits:
    """Search a group; see `Group.search`."""
    asked = options.asked(query, reading, parts)
    with parts.embedder.turns:
        pool = gather(reading, parts, parts.kept.of(reading), asked)
    scored = asked.recipe.order(pool, asked.k)[: asked.k]
    records = records_of(reading, [item for item, _ in scored], asked.standing.known)
    why = _reasons(pool, records.keys())
    hits = [
        MemoryHit.of(records[item], score, rank, why[item])
        for rank, (item, score) in enumerate(((item, score) for item, score in scored if item in records), start=1)
    ]
    return MemoryHits(hits, time=asked.time.used, notes=asked.time.notes)


def _reasons(pool: Pool, items: Collection[Item]) -> dict[Item, str]:
    """Each item to the ways that found it and its places there."""
    places: dict[Item, list[str]] = {item: [] for item in items}
    for ranking in (*pool.rankings, *pool.besides):
        wanted = {item.id for item in items if item.kind == ranking.kind}
        for place, (key, _) in enumerate(ranking.items, start=1):
            if key in wanted:
                places[Item(ranking.kind, key)].append(f"{ranking.way} {_ordinal(place)}")
    return {item: ", ".join(each) or "said beside what was found" for item, each in places.items()}


def _ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
