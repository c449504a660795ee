"""Reading a group."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MemoryValueError
from ..file import Reading
from ..parts import Parts
from ..types import EntityRecord, EpisodeRecord, FactRecord
from . import recipes
from .asked import Options, When, as_known, as_valid
from .context import Context, counter, make_context, source
from .exporting import lines_of
from .found import episodes_of
from .history import Diff, Moment, difference, versions_of
from .hits import Kind, MemoryHit, MemoryHits
from .neighbourhood import find_entity
from .page import timeline_page
from .searching import search
from .snapshot import graph_of, standing_facts
from .standing import Standing
from .stats import GroupStats, stats_of

if TYPE_CHECKING:
    from networkx import MultiDiGraph

    from ..langchain import MemoryRetriever


class Reader:
    """What can be read of a group; a `Group` is one."""

    def __init__(self, name: str, parts: Parts) -> None:
        """Read the group `name`."""
        self.name = name
        self._parts = parts

    def now(self) -> datetime:
        """What time it is for this memory."""
        return self._parts.now()

    def reading(self) -> AbstractContextManager[Reading]:
        """One state of the group, for reading functions."""
        return self._parts.file.reading(self.name)

    def search(  # noqa: PLR0913 - each is a way to narrow it, by keyword
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
            MemoryValueError: it is none of these.
            NotInGroupError: the group has no such fact and no such entity.
        """
        if not isinstance(of, FactRecord | EntityRecord | int):
            raise MemoryValueError(f"a history is of a fact or an entity, or of its id, not of {of!r:.80}")
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

    def context(self, query: str, budget_tokens: int, *, k: int = 30, **options: Any) -> Context:
        """What is remembered for a question, as a block for a prompt: each fact with its validity and source.

        ```python
        from datetime import datetime, timezone
        from ragloom.stores.memory import Episode, Memory

        group = Memory("memory.sqlite3").group("user-8")
        group.remember(Episode("I moved to Berlin.", datetime(2021, 3, 8, 9, 30, tzinfo=timezone.utc), source="Ann"))
        print(str(group.context("Where does Ann live?", 100)).splitlines()[1])
        # -> - Ann, 2021-03-08 09:30: I moved to Berlin.
        ```

        Args:
            query: what is asked.
            budget_tokens: how long the block may be, in tokens as `count_tokens` counts them.
            k: how many hits are looked at.
            options: as for `search`; and `count_tokens`, a function of a text, by default that of the embedder's
                tokenizer: give that of the LLM that will read the block.

        Raises:
            MemoryValueError: the query is empty, or an option has a value that cannot be used.
        """
        count = options.pop("count_tokens", None) or counter(self._parts.embedder.embedder)
        hits = self.search(query, k, **options)
        return make_context(hits, self._sources(hits), self.now(), budget_tokens, count)

    def told_by(self, hits: Iterable[MemoryHit]) -> dict[int, str]:
        """Each hit's id to who told it and when: `Ann, 2024-06-03`; empty for what was given as it is."""
        found = list(hits)
        sources = self._sources(found)
        return {hit.id: source(hit, sources) for hit in found}

    def _sources(self, hits: Iterable[MemoryHit]) -> dict[int, EpisodeRecord]:
        """The episodes that facts which were found rest on, by id."""
        with self.reading() as reading:
            return episodes_of(reading, {key for hit in hits if hit.fact for key in hit.fact.episodes})

    def export(self, path: str | Path) -> int:
        """Write all that the group holds to a file; how many records that were.

        A `.jsonl` file has a line for each episode and for each version of an entity or a fact. A `.html` file is a
        timeline of the facts that are believed now, and needs no network.

        Raises:
            MemoryValueError: the file has another ending.
            OSError: it cannot be written.
        """
        path = Path(path)
        with self.reading() as reading:
            if path.suffix == ".jsonl":
                with path.open("w", encoding="utf-8") as file:
                    return sum(1 for line in lines_of(reading) if file.write(f"{line}\n"))
            if path.suffix == ".html":
                facts = standing_facts(reading, Standing(reading.recorded))
                path.write_text(timeline_page(self.name, facts, self.now()), encoding="utf-8")
                return len(facts)
        raise MemoryValueError(f"{path} ends neither in .jsonl nor in .html; name a file that does")

    def stats(self) -> GroupStats:
        """How much the group holds."""
        with self.reading() as reading:
            return stats_of(reading)

    def as_retriever(self, **options: Any) -> MemoryRetriever:
        """A LangChain retriever over the group; `options` are its fields: `k` and those of `search`.

        Raises:
            MemoryValueError: there is no such option, or it cannot have that value.
        """
        from ..langchain import make_retriever

        return make_retriever(self, options)

    def _standing(self, reading: Reading, valid_at: When | None, known_at: datetime | None) -> Standing:
        return Standing(as_known(known_at, reading), as_valid(self.now() if valid_at is None else valid_at))
