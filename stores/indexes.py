"""The two derived indexes of a corpus, kept in step with its database."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import exact
from .clock import Stopwatch
from .database import Database, State
from .derived import DerivedIndex
from .errors import CorpusFullError, CorpusLockedError
from .lexical import LexicalIndex
from .locks import WAIT_S, WriterLock
from .vectors import DenseIndex


class Indexes:
    """BM25 and vectors, and who lets them follow the truth: writers after each commit, readers before each search."""

    def __init__(self, root: Path, language: str, database: Database, writer: WriterLock) -> None:
        """Use the indexes of the corpus at `root`; nothing is opened yet."""
        self.lexical = LexicalIndex(root, language)
        self.dense = DenseIndex(root)
        self._both: tuple[DerivedIndex[Any], ...] = (self.lexical, self.dense)
        self._database = database
        self._writer = writer
        self._seen: State | None = None

    def follow(self, watch: Stopwatch | None = None) -> None:
        """Let both indexes catch up, timed by their names; the caller holds the writer's lock.

        Raises:
            CorpusCorruptError: an index cannot be read.
            CorpusFullError: the disk is full; nothing is lost.
        """
        watch = watch or Stopwatch(*(index.name for index in self._both))
        for index in self._both:
            with watch.stage(index.name):
                index.catch_up(self._database)
        self._seen = self._database.state()

    def refresh(self) -> State:
        """See what others have written since, and finish what a killed writer left undone.

        Where vectors are searched in memory, the dense index is for writers alone: Chroma is not even imported.

        Raises:
            CorpusCorruptError: an index cannot be read.
            CorpusLockedError: an index is being made again by another process, and there is no older one.
        """
        state = self._database.state()
        if state != self._seen:
            self._open((self.lexical,) if exact.has_room(self._database) else self._both, state)
        return state

    def _open(self, indexes: Sequence[DerivedIndex[Any]], state: State) -> None:
        for index in indexes:
            index.refresh()
        if all(index.is_at(state) for index in indexes):
            self._seen = state
        else:
            self._finish(indexes, state)

    def _finish(self, indexes: Sequence[DerivedIndex[Any]], state: State) -> None:
        """The last write has not reached the indexes: wait for its writer only where there is nothing older to use."""
        usable = all(index.is_of_epoch(state) or not index.exists() for index in indexes)
        try:
            with self._writer.hold(wait_s=0 if usable else WAIT_S):
                self.follow()
        except (CorpusLockedError, CorpusFullError):
            if not usable:
                raise
            # That write is not acknowledged: what is open holds everything that is.

    def rebuild(self) -> None:
        """Make both indexes again from the database; the caller holds the writer's lock.

        Raises:
            CorpusFullError: the disk is full; nothing is lost.
        """
        for index in self._both:
            index.rebuild(self._database)

    def inconsistencies(self) -> tuple[str, ...]:
        """What differs between the database and its indexes, a line each; empty when all is well.

        What a writer at work has not brought to an index yet is no difference.

        Raises:
            CorpusCorruptError: an index cannot be read.
            CorpusFullError: the disk is too full for an index to follow the database; nothing is lost.
        """
        state = self._database.state()
        self._open(self._both, state)
        if not all(index.is_at(state) for index in self._both):
            with suppress(CorpusLockedError), self._writer.hold(wait_s=0):
                self.follow()
        truth = self._database.all_keys()
        found = {index.name: index.keys() for index in self._both if index.is_at(state)}
        if self._database.state() != state:
            return ()
        return tuple(
            f"{name} index: {len(truth - keys)} chunks missing, {len(keys - truth)} too many"
            for name, keys in found.items()
            if keys != truth
        )

    def close(self) -> None:
        """Let go of the files."""
        for index in self._both:
            index.close()
