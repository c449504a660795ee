"""A group: the only way to read or write a memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from .candidates import Candidate, find_candidates, nearest
from .checks import check_text, only
from .describing import describe
from .entities import EntityWriter
from .erasing import erase_episode
from .extracting import Extractor
from .forgetting import Forgotten, forget, forget_all, retract
from .loading import BATCH, load
from .merging import BY_HAND, MergeRecord, merge_records, reground, undo_merge, write_merge
from .queue import Pending, catch_up, pending, remember_later
from .reading.asked import as_known
from .reading.neighbourhood import find_entity
from .reading.reader import Reader
from .reading.wording import shown
from .records import entity_names
from .remembering import Remembered, remember, remember_facts
from .summaries import extractive, facts_about, summary, write_summary
from .types import Entity, Episode, Fact

if TYPE_CHECKING:
    from .langchain import MemoryChatHistory


class Group(Reader):
    """What one user, project or agent remembers; made by `Memory.group`.

    ```python
    from datetime import datetime, timezone
    from ragloom.stores.memory import Episode, Fact, Memory

    group = Memory("memory.sqlite3").group("user-9")
    said = Episode("I like tea.", datetime(2024, 3, 5, tzinfo=timezone.utc), source="Ann")
    done = group.remember_facts([Fact("Ann", "likes", "tea")], episode=said)
    print(group.summary("Ann"), group.forget(said).facts == done.facts)  # -> Ann likes tea. True
    ```
    """

    def remember(self, episode: Episode, *, extractor: Extractor | None = None) -> Remembered:
        """Remember an episode, and the facts that the extractor makes of it; one that is known changes nothing.

        Args:
            episode: what was said or received.
            extractor: makes the facts; by default the memory's, and without any the episode is only kept and found.

        Raises:
            MemoryLockedError: other processes write for a minute without a gap.
            MemoryFullError: the disk is full; nothing is written.
        """
        (said,) = only(Episode, [episode])
        return remember(self._parts, self.name, said, extractor or self._parts.extractor)

    def remember_facts(
        self, facts: Iterable[Fact], *, episode: Episode | None = None, embed: bool = True
    ) -> Remembered:
        """Remember facts that are known, without an LLM, in one transaction.

        Args:
            facts: what is stated.
            episode: what they are from; None: they are given on the caller's word.
            embed: whether to find facts and new entities by meaning, too; without, they cost no embedding.

        Raises:
            MemoryLockedError: other processes write for a minute without a gap.
            MemoryFullError: the disk is full; nothing is written.
        """
        (said,) = only(Episode, [episode]) if episode is not None else (None,)
        return remember_facts(self._parts, self.name, only(Fact, facts), said, embed=embed)

    def remember_later(self, episode: Episode) -> Remembered:
        """Remember an episode at once, and leave its facts to `catch_up`: for extractors that take long."""
        (said,) = only(Episode, [episode])
        return remember_later(self._parts, self.name, said)

    def catch_up(self, on_done: Callable[[Remembered], None] | None = None, *, again: bool = False) -> list[Remembered]:
        """Extract the facts of episodes that were left for later; what came of each.

        One whose extraction fails stays in `pending` with what went wrong, and is tried three times in all.

        Args:
            on_done: told of each when it is written.
            again: try those once more that have failed three times: what was in the way, such as a server, is back.

        Raises:
            MemoryValueError: the memory has no extractor.
        """
        return catch_up(self._parts, self.name, on_done, again=again)

    def pending(self) -> list[Pending]:
        """Episodes whose facts are still to be extracted, oldest first."""
        return pending(self._parts, self.name)

    def load(self, facts: Iterable[Fact], *, batch: int = BATCH, embed: bool = False) -> int:
        """Load many facts, batch by batch: names are compared exactly, and there are no vectors unless asked for.

        A batch is one transaction, so what was loaded before an interruption is there; loading all of it again adds
        only the rest.

        Args:
            facts: what is stated, on the caller's word.
            batch: facts in a transaction.
            embed: whether to find them by meaning, too.

        Returns:
            How many facts were given.

        Raises:
            MemoryValueError: `batch` is no whole number above 0, or what is given is no fact.
        """
        return load(self._parts, self.name, facts, batch=batch, embed=embed)

    def describe(self, entity: Entity) -> int:
        """Add types, attributes, aliases and a summary to an entity, which is made where there is none; its id.

        Raises:
            MemoryValueError: an attribute is not JSON-serialisable, or a name is another entity's.
        """
        return describe(self._parts, self.name, entity)

    def summary(self, entity: str | int, *, known_at: datetime | None = None) -> str:
        """What an entity is, in a few sentences, as it was believed at a record time (None: now).

        Raises:
            NotInGroupError: the group does not know it.
        """
        with self.reading() as reading:
            known = as_known(known_at, reading)
            return summary(reading, find_entity(reading, entity, known), known)

    def summarize(self, entity: str | int) -> str:
        """Let the memory's summarizer write about an entity, and store it; without one, the facts' sentences are given.

        Raises:
            NotInGroupError: the group does not know it.
            MemoryValueError: something was forgotten or erased while it was written; nothing is stored.
        """
        with self.reading() as reading:
            key = find_entity(reading, entity, reading.recorded)
            facts = facts_about(reading, key, reading.recorded)
            name = entity_names(reading, [key], reading.recorded).get(key)
        if self._parts.summarizer is None or name is None or not facts:
            return extractive(facts)
        statements = [f"{record.fact.statement} ({shown(record.fact.valid)})" for record in facts]
        text = self._parts.summarizer.summarize(name, statements)
        with self._parts.file.writing(self.name) as writing:
            told = {record.id for record in facts}
            write_summary(writing, self._parts, key, text, told, erasures=reading.erasures)
        return text

    def merge(self, entity: str | int, into: str | int, reason: str = "") -> int:
        """Take an entity, by name or id, for another one; the id of the merge.

        Raises:
            NotInGroupError: the group does not know one of them.
            MemoryValueError: they are one already.
        """
        with self._parts.file.writing(self.name) as writing:
            first, second = (find_entity(writing.reading, each, writing.recorded) for each in (entity, into))
            why = check_text("reason", reason) or "told by the caller"
            merge = write_merge(writing, self._parts.words, first, second, method=BY_HAND, score=100.0, reason=why)
            reground(writing, {first}, self._parts.single_valued)
            EntityWriter(writing, self._parts.words).retire({first})  # both may be forgotten: nothing is about them
            return merge

    def unmerge(self, merge: int) -> None:
        """Undo a merge: both entities have their own facts again, and are not taken for one on their own any more.

        Raises:
            NotInGroupError: the group has no such merge, or it is undone already.
        """
        with self._parts.file.writing(self.name) as writing:
            undo_merge(writing, self._parts, merge)

    def merges(self, *, known_at: datetime | None = None) -> list[MergeRecord]:
        """The merges that are in force, or were at a record time, with why they were made; oldest first."""
        with self.reading() as reading:
            return merge_records(reading, known_at=as_known(known_at, reading))

    def candidates(self, name: str) -> list[Candidate]:
        """Entities that a name may stand for, surest first: what a merge is decided from."""
        vector = self._parts.embedder.texts([check_text("name", name)])[name]
        with self.reading() as reading:
            return find_candidates(reading, name, nearest(self._parts.kept.of(reading), vector))

    def forget(self, episode: Episode | int) -> Forgotten:
        """Take back an episode, by value or id: what rests on it alone is believed no longer, what it ended holds on.

        Reads as of an earlier record time still see it, and it can be remembered again.

        Raises:
            NotInGroupError: the group does not remember it.
        """
        with self._parts.file.writing(self.name) as writing:
            return forget(writing, self._parts, episode)

    def forget_all(self, kind: str) -> Forgotten:
        """Take back all episodes of a kind, in one write."""
        with self._parts.file.writing(self.name) as writing:
            return forget_all(writing, self._parts, kind)

    def retract(self, fact: int) -> Forgotten:
        """Take back a fact by its id, whatever it rests on; the episodes stay.

        Raises:
            NotInGroupError: the group does not believe it.
        """
        with self._parts.file.writing(self.name) as writing:
            return retract(writing, self._parts, fact)

    def erase(self, episode: Episode | int) -> Forgotten:
        """Remove an episode and all that ever rested on it alone, for good: from the file's free space and log too.

        The whole file is rewritten.

        Raises:
            NotInGroupError: the group does not hold it, not even forgotten.
            MemoryLockedError: it is deleted, but a reader keeps the log that still holds it.
        """
        with self.reading() as reading:
            key = reading.group
        try:
            return erase_episode(self._parts, self.name, episode)
        finally:
            self._parts.kept.drop(key)

    def as_chat_history(self, *, last: int | None = None) -> MemoryChatHistory:
        """A LangChain chat history whose messages are episodes of this group; `last` are how many it gives."""
        from .langchain import MemoryChatHistory

        return MemoryChatHistory(self, last=last)
