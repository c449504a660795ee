"""Reading a group."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING

from ..file import Reading
from ..parts import Parts
from ..types import EntityRecord, FactRecord
from . import recipes
from .asked import Options, When, as_known, as_valid
from .history import Diff, Moment, difference, versions_of
from .hits import Kind, MemoryHits
from .neighbourhood import find_entity
from .searching import search
from .snapshot import graph_of, standing_facts
from .standing import Standing

if TYPE_CHECKING:
    from networkx import MultiDiGraph


class Reader:
    """What can be read of a group; a `Group` is one."""

    def __init__(self, name: str, parts: Parts) -> None:
        """Read the group `name`."""
        self.name = name
        self._parts = parts

    def reading(self) -> AbstractContextManager[Reading]:
        """One state of the group, for reading functions."""
        return self._parts.file.reading(self.name)

    def search(
        self,
        query: str,
        k: int = 10,
        *,
        valid_at: When | None = None,
        known_at: datetime | None = None,
        kinds: Collection[Kind] | None = None,
        types: Collection[str] = (),
        relations: Collection[str] = (),
        around: str | int | None = None,
        recipe: recipes.Recipe = recipes.conversation,
    ) -> MemoryHits:
        """Find episodes, facts and entities by words, by meaning and by the graph.

        ```python
        from datetime import datetime, timezone
        from ragloom.stores.memory import Fact, Memory

        group = Memory("memory.sqlite3").group("user-7")
        group.remember_facts([
            Fact("Ann", "lives_in", "Paris", valid_from=datetime(2019, 5, 1, tzinfo=timezone.utc)),
            Fact("Ann", "lives_in", "Berlin", valid_from=datetime(2021, 3, 1, tzinfo=timezone.utc)),
        ])
        hits = group.search("Where did Ann live in 2020?", kinds=["fact"])
        print(hits[0].text, "|", hits.notes[0])  # -> Ann lives in Paris | “in 2020” was read as 2020 to 2021
        ```

        Args:
            query: a question, or words.
            k: how many hits.
            valid_at: facts that held then, or at some instant of an interval; None: when the question says ("in March
                2021", "before I moved"), else now. `Interval()` is any time.
            known_at: as it was believed at this record time; None: as it is believed now.
            kinds: what may be found: `episode`, `fact`, `entity`; None: all three.
            types: labels of which an entity, or an end of a fact, has one.
            relations: of facts.
            around: an entity by name or id: only facts that have it as an end, what they rest on, and their other ends.
            recipe: what puts what is found in order, see `reading.recipes`.

        Raises:
            MemoryValueError: the query is empty, or an option has a value that cannot be used.
            NaiveDatetimeError: a time has no time zone.
            NotInGroupError: there is no such entity.
            MemoryEmbedderError: the memory holds vectors of another embedder.
        """
        options = Options(k, valid_at, known_at, kinds, types, relations, around, recipe)
        with self.reading() as reading:
            return search(reading, self._parts, query, options)

    def as_of(
        self,
        valid_at: When | None = None,
        known_at: datetime | None = None,
        *,
        around: str | int | None = None,
        hops: int = 1,
    ) -> MultiDiGraph:
        """The graph as it was at a valid time, and as it was believed at a record time.

        Nodes are ids of entities, with `name`, `aliases`, `types`, `attributes` and `summary`; edges have the fact's id
        as their key, and `relation`, `statement`, `valid_from`, `valid_to`, `confidence` and `episodes`.

        Args:
            valid_at: facts that held then, or at some instant of an interval; None: now.
            known_at: as it was believed then; None: as it is believed now.
            around: only what is near this entity, by name or id.
            hops: how many facts away that is.

        Raises:
            NaiveDatetimeError: a time has no time zone.
            NotInGroupError: there is no such entity.
        """
        with self.reading() as reading:
            standing = self._standing(reading, valid_at, known_at)
            entity = None if around is None else find_entity(reading, around, standing.known)
            return graph_of(reading, standing, entity, hops)

    def diff(self, first: Moment, second: Moment) -> Diff:
        """What is different between two points in either time, or in both.

        Raises:
            NaiveDatetimeError: a time has no time zone.
        """
        with self.reading() as reading:
            sides = (
                standing_facts(reading, self._standing(reading, moment.valid_at, moment.known_at))
                for moment in (first, second)
            )
            return difference(*sides)

    def history(self, of: FactRecord | EntityRecord | int) -> tuple[FactRecord, ...] | tuple[EntityRecord, ...]:
        """Every version of a fact or an entity, the oldest first: what was believed of it, and when.

        Args:
            of: the fact or entity, or its id.

        Raises:
            NotInGroupError: the group has no such fact and no such entity.
        """
        with self.reading() as reading:
            return versions_of(reading, of if isinstance(of, int) else of.id)

    def timeline(self, entity: str | int, *, known_at: datetime | None = None) -> tuple[FactRecord, ...]:
        """All that ever held of an entity, in the order in which it began; what has no known beginning comes first.

        Args:
            entity: by name or id.
            known_at: as it was believed then; None: as it is believed now.

        Raises:
            NaiveDatetimeError: a time has no time zone.
            NotInGroupError: there is no such entity.
        """
        with self.reading() as reading:
            known = as_known(known_at, reading)
            return tuple(standing_facts(reading, Standing(known), find_entity(reading, entity, known)))

    def _standing(self, reading: Reading, valid_at: When | None, known_at: datetime | None) -> Standing:
        return Standing(as_known(known_at, reading), as_valid(self._parts.now() if valid_at is None else valid_at))
