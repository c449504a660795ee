"""What is remembered, as a block for a prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ...embedder import TextEmbedder
from ..types import EpisodeRecord
from .hits import MemoryHit, MemoryHits
from .wording import moment, shown

CountTokens = Callable[[str], int]

_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Context:
    """A block for a prompt; `str` gives its text.

    Attributes:
        text: a heading and a line for each hit: facts with their validity and source, then what was said, by time.
        tokens: how many the text has.
        hits: what stands in it, best first.
        left_out: how many hits did not fit.
    """

    text: str
    tokens: int
    hits: MemoryHits
    left_out: int

    def __str__(self) -> str:
        return self.text


def make_context(
    hits: MemoryHits, sources: Mapping[int, EpisodeRecord], now: datetime, budget: int, count: CountTokens
) -> Context:
    """Put as many hits as fit into a block, the best ones first.

    Args:
        hits: what was found.
        sources: the episodes that facts rest on, by id.
        now: what the heading says it is.
        budget: how many tokens there may be.
        count: counts them.
    """
    heading = f"What is remembered (today is {now:%Y-%m-%d}):"
    lines = {hit: _line(hit, sources) for hit in hits}
    kept: list[MemoryHit] = []
    spent = count(heading)
    for hit in hits:
        cost = count(f"\n{lines[hit]}")
        if lines[hit] and spent + cost <= budget:
            spent += cost
            kept.append(hit)
    left_out = sum(1 for hit in hits if lines[hit]) - len(kept)
    if not kept:
        return Context("", 0, MemoryHits(time=hits.time, notes=hits.notes), left_out)
    text = "\n".join([heading, *(lines[hit] for hit in sorted(kept, key=_place))])
    return Context(text, count(text), MemoryHits(kept, time=hits.time, notes=hits.notes), left_out)


def _place(hit: MemoryHit) -> tuple[bool, float]:
    """Facts and entities by rank, then episodes by time."""
    is_said = hit.episode is not None
    return is_said, hit.episode.episode.occurred_at.timestamp() if hit.episode else hit.rank


def _line(hit: MemoryHit, sources: Mapping[int, EpisodeRecord]) -> str:
    if hit.fact is not None:
        return f"- {hit.text} ({'; '.join(filter(None, (shown(hit.fact.fact.valid), source(hit, sources))))})"
    if hit.episode is not None:
        said = hit.episode.episode
        return f"- {said.source}, {moment(said.occurred_at)}: {' '.join(said.content.split())}"
    summary = hit.entity.entity.summary if hit.entity else ""
    return f"- {hit.text}" if summary else ""


def source(hit: MemoryHit, sources: Mapping[int, EpisodeRecord]) -> str:
    """Who told what was found, and when: `Ann, 2024-06-03`; of a fact the first, and the number of the others.

    Empty for what was given as it is.

    Args:
        hit: what was found.
        sources: the episodes that facts rest on, by id.
    """
    if hit.episode is not None:
        known = [hit.episode.episode]
    else:
        known = [sources[key].episode for key in (hit.fact.episodes if hit.fact else ()) if key in sources]
    if not known:
        return ""
    first = min(known, key=lambda episode: episode.occurred_at)
    more = f" and {len(known) - 1} more" if len(known) > 1 else ""
    return f"{first.source}, {first.occurred_at.date()}{more}"


def counter(embedder: TextEmbedder) -> CountTokens:
    """Counts by the embedder's tokenizer, or where there is none a token for every four characters."""
    tokenizer = embedder.tokenizer
    if tokenizer is None:
        return lambda text: -(-len(text) // _CHARACTERS_PER_TOKEN)
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False))
