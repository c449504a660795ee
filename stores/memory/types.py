"""The values that go into a memory and come out of it.

What is said is a value of its own (`Episode`, `Fact`, `Entity`); what the memory holds of it is a record, which adds
the id, what it rests on, and the interval of record time in which it was believed. An id is a number that no other
thing of any group has, and that is never used again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..._explain import unknown
from .checks import check_text, relation_name
from .errors import MemoryValueError
from .instants import to_micros, to_utc
from .interval import Interval

KINDS = ("message", "text", "json")


@dataclass(frozen=True, slots=True)
class Episode:
    """Something that was said or received.

    ```python
    from datetime import datetime, timezone
    from ragloom.stores.memory import Episode

    Episode("I moved to Berlin last Friday.", datetime(2024, 3, 5, tzinfo=timezone.utc), source="Ann")
    ```

    Attributes:
        content: the words, whole.
        occurred_at: when it was said or received; relative dates in it count from here.
        source: who said it, or where it is from.
        kind: `message`, `text` or `json`.
    """

    content: str
    occurred_at: datetime
    source: str
    kind: str = "message"

    def __post_init__(self) -> None:
        """Check the values and bring the time to UTC, in whose days times such as `yesterday` are read then.

        Raises:
            NaiveDatetimeError: `occurred_at` has no time zone.
            MemoryValueError: a text cannot be stored, or there is no such kind.
        """
        check_text("content", self.content)
        check_text("source", self.source)
        if self.kind not in KINDS:
            raise MemoryValueError(unknown("kind", self.kind, KINDS))
        object.__setattr__(self, "occurred_at", to_utc(self.occurred_at, "occurred_at"))

    @property
    def searched(self) -> str:
        """The words by which it is found: what was said, after who said it, for questions name people."""
        return self.content if self.kind == "json" else f"{self.source}: {self.content}"

    @property
    def digest(self) -> bytes:
        """Hash of all of it: the same episode is remembered once."""
        parts = [self.kind, self.source, to_micros(self.occurred_at), self.content]
        return hashlib.sha256(json.dumps(parts).encode()).digest()[:16]


@dataclass(frozen=True, slots=True)
class Fact:
    """Subject -> relation -> object, in words, and when it held.

    ```python
    from datetime import datetime, timezone
    from ragloom.stores.memory import Fact

    fact = Fact("Ann", "lives in", "Paris", valid_from=datetime(2019, 5, 1, tzinfo=timezone.utc))
    print(fact.relation, "|", fact.statement)  # -> lives_in | Ann lives in Paris
    ```

    Attributes:
        subject: name of an entity.
        relation: in lower case with underscores, whatever is given.
        object: name of another entity, or a value.
        statement: the sentence that is searched; by default the three put together.
        valid_from: when it began to hold; None: unknown.
        valid_to: the first instant at which it no longer held; None: it still does, or unknown.
        confidence: above 0, at most 1.
        subject_type: a label such as `person`, or nothing.
        object_type: the same of the object.
    """

    subject: str
    relation: str
    object: str
    statement: str = ""
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    confidence: float = 1.0
    subject_type: str = ""
    object_type: str = ""

    def __post_init__(self) -> None:
        """Check the values, bring times to UTC, and fill in the statement.

        Raises:
            NaiveDatetimeError: a time has no zone.
            MemoryValueError: a name is empty or cannot be stored, it ends before it starts, or the confidence is none.
        """
        for name in ("subject", "relation", "object", "statement", "subject_type", "object_type"):
            object.__setattr__(self, name, " ".join(check_text(name, getattr(self, name)).split()))
        for name in ("subject", "relation", "object"):
            if not getattr(self, name).strip("_ " if name == "relation" else None):
                told = " | ".join((self.subject, self.relation, self.object))
                raise MemoryValueError(f"the {name} of a fact is empty; give it a name: {told:.160}")
        if not 0 < self.confidence <= 1:
            raise MemoryValueError(f"confidence must be above 0 and at most 1, not {self.confidence!r}")
        valid = self.valid
        object.__setattr__(self, "valid_from", valid.start)
        object.__setattr__(self, "valid_to", valid.end)
        words = " ".join(self.relation.replace("_", " ").split())
        object.__setattr__(self, "relation", relation_name(words))
        if not self.statement:
            object.__setattr__(self, "statement", f"{self.subject} {words} {self.object}")

    @property
    def valid(self) -> Interval:
        """When it held."""
        return Interval(self.valid_from, self.valid_to)


@dataclass(frozen=True, slots=True)
class Entity:
    """Somebody or something that facts are about.

    Attributes:
        name: the canonical one.
        aliases: other names.
        types: labels such as `person`.
        attributes: JSON-serialisable values by name.
        summary: a text about it; empty: what its facts say.
    """

    name: str
    aliases: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict, hash=False)
    summary: str = ""


@dataclass(frozen=True, slots=True)
class EpisodeRecord:
    """An episode as the memory holds it; `recorded` ends when it is forgotten."""

    id: int
    episode: Episode
    recorded: Interval


@dataclass(frozen=True, slots=True)
class FactRecord:
    """One version of a fact: what was believed of it over an interval of record time.

    Attributes:
        id: of the fact; its versions share it.
        fact: with the canonical names of its ends, and the interval in which it is believed to have held.
        subject_id: of the entity that is its subject.
        object_id: of the entity that is its object.
        episodes: ids of the episodes that it rests on; empty where it was given as it is.
        ended_by: id of the fact that ended it, or None.
        recorded: when this was believed.
    """

    id: int
    fact: Fact
    subject_id: int
    object_id: int
    episodes: tuple[int, ...]
    ended_by: int | None
    recorded: Interval


@dataclass(frozen=True, slots=True)
class EntityRecord:
    """One version of an entity; `recorded` is when it was believed."""

    id: int
    entity: Entity
    recorded: Interval
