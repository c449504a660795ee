"""A group: the only way to read or write a memory."""

from __future__ import annotations

from collections.abc import Iterable

from .reading.reader import Reader
from .remembering import Remembered, Vectors, stored_episode, write_episode, write_facts
from .types import Episode, Fact


class Group(Reader):
    """What one user, project or agent remembers; made by `Memory.group`."""

    def remember(self, episode: Episode) -> Remembered:
        """Remember an episode; one that is known already changes nothing.

        Raises:
            MemoryLockedError: other processes write for a minute without a gap.
            MemoryFullError: the disk is full; nothing is written.
        """
        with self.reading() as reading:
            known = stored_episode(reading, episode)
        if known is not None:
            return Remembered(known, is_new=False)
        vectors = self._parts.embedder.texts([episode.content])
        with self._parts.file.writing(self.name) as writing:
            known = stored_episode(writing.reading, episode)  # another process may have come first
            if known is not None:
                return Remembered(known, is_new=False)
            return Remembered(write_episode(writing, self._parts, episode, vectors), is_new=True)

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
        given = list(facts)
        vectors: Vectors | None = self._parts.embedder.texts(fact.statement for fact in given) if embed else None
        with self._parts.file.writing(self.name) as writing:
            key = None if episode is None else stored_episode(writing.reading, episode)
            is_new = key is None
            if episode is not None and key is None:
                key = write_episode(writing, self._parts, episode, {} if vectors is None else vectors)
            written, settled = write_facts(writing, self._parts, given, key, vectors)
            ended = tuple(row["fact"] for row in settled.closed if row["fact"] not in written.facts)
            return Remembered(key, is_new, written.facts, ended)
