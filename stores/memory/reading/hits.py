"""What a search finds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from ..dates import TimeExpression
from ..types import EntityRecord, EpisodeRecord, FactRecord

Kind = Literal["episode", "fact", "entity"]


@dataclass(frozen=True, slots=True)
class MemoryHit:
    """Something that a search found: one of `episode`, `fact` and `entity`.

    Attributes:
        score: higher is better; what it means depends on the recipe.
        rank: 1 for the best.
        why: what found it: `words 1st, meaning 3rd, near Ann`.
        episode: what was said, or None.
        fact: a fact as it was believed, or None.
        entity: an entity as it was believed, or None.
    """

    score: float
    rank: int
    why: str
    episode: EpisodeRecord | None = None
    fact: FactRecord | None = None
    entity: EntityRecord | None = None

    @property
    def kind(self) -> Kind:
        """Which of the three it is."""
        if self.episode is not None:
            return "episode"
        return "fact" if self.fact is not None else "entity"

    @property
    def id(self) -> int:
        """The id of what was found."""
        return self.record.id

    @property
    def record(self) -> EpisodeRecord | FactRecord | EntityRecord:
        """What was found."""
        found = self.episode or self.fact or self.entity
        assert found is not None, "a hit is made with one of the three"
        return found

    @property
    def text(self) -> str:
        """It in words: what was said, the fact's statement, or the entity with its summary."""
        if self.episode is not None:
            return self.episode.episode.content
        if self.fact is not None:
            return self.fact.fact.statement
        assert self.entity is not None, "a hit is made with one of the three"
        return ": ".join(filter(None, (self.entity.entity.name, self.entity.entity.summary)))


class MemoryHits(list[MemoryHit]):
    """Hits, best first, and what was made of the times in the question.

    Attributes:
        times: the times in the question that were used, with the intervals that were read from them.
        notes: a sentence on each time in the question: what it was read as, or why it was not used.
    """

    def __init__(
        self, hits: Iterable[MemoryHit] = (), *, times: Iterable[TimeExpression] = (), notes: Iterable[str] = ()
    ) -> None:
        """Hold hits, best first."""
        super().__init__(hits)
        self.times = tuple(times)
        self.notes = tuple(notes)


def as_dict(hit: MemoryHit) -> dict[str, Any]:
    """JSON-serialisable form of a hit."""
    from .export import as_json

    return {"rank": hit.rank, "score": hit.score, "why": hit.why, **as_json(hit.record)}
