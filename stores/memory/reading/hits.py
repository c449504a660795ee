"""What a search finds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ..dates import TimeExpression
from ..types import EntityRecord, EpisodeRecord, FactRecord

Kind = Literal["episode", "fact", "entity"]

Record = EpisodeRecord | FactRecord | EntityRecord


class Item(NamedTuple):
    """Something that may be found: its kind and its id."""

    kind: Kind
    id: int


@dataclass(frozen=True, slots=True)
class MemoryHit:
    """Something that a search found: one of `episode`, `fact` and `entity`.

    Attributes:
        score: higher is better; what it means depends on the recipe.
        rank: 1 for the best.
        why: what found it: `words 1st, meaning 3rd, near Ann 2nd`.
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

    @classmethod
    def of(cls, record: Record, score: float, rank: int, why: str) -> MemoryHit:
        """A hit that is this episode, fact or entity."""
        match record:
            case EpisodeRecord():
                return cls(score, rank, why, episode=record)
            case FactRecord():
                return cls(score, rank, why, fact=record)
            case _:
                return cls(score, rank, why, entity=record)

    @property
    def record(self) -> Record:
        """The one of the three that it is."""
        found = self.episode or self.fact or self.entity
        assert found is not None, "a hit is one of the three"
        return found

    @property
    def id(self) -> int:
        """The id of what was found."""
        return self.record.id

    @property
    def text(self) -> str:
        """It in words: what was said, the fact's statement, or the entity's name and summary."""
        return text_of(self.record)


class MemoryHits(list[MemoryHit]):
    """Hits, best first, and what was made of the times in the question.

    Attributes:
        time: the time in the question that was used, with the interval that was read from it; None: there was none.
        notes: a sentence on each time in the question: what it was read as, or why it was not used.
    """

    def __init__(
        self, hits: Iterable[MemoryHit] = (), *, time: TimeExpression | None = None, notes: Iterable[str] = ()
    ) -> None:
        """Hold hits, best first."""
        super().__init__(hits)
        self.time = time
        self.notes = tuple(notes)


def text_of(record: Record) -> str:
    """A record in words."""
    match record:
        case EpisodeRecord():
            return record.episode.content
        case FactRecord():
            return record.fact.statement
        case _:
            return ": ".join(filter(None, (record.entity.name, record.entity.summary)))
