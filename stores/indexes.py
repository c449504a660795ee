"""The two derived indexes of a corpus, kept in step with its database."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

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
        """See what others have written since, and finish what a killed writer left undone; but see `dense_at`.

        Raises:
            CorpusCorruptError: an index cannot be read.
            CorpusLockedError: an index is being made again by another process, and there is no older one.
        """
        state = self._database.state()
        if state != self._seen and self._open(self.lexical, state):
            self._seen = state
        return state

    def dense_at(self, state: State) -> DenseIndex:
        """The dense index as of that state: opened where it is asked, for where none is asked Chroma is not imported.

        Raises:
            CorpusCorruptError: it cannot be read.
            CorpusLockedError: it is being made again by another process, and there is no older one.
        """
        if not self.dense.is_at(state):
            self._open(self.dense, state)
        return self.dense

    def _open(self, index: DerivedIndex[Any], state: State) -> bool:
        """Open what there is of an index; whether it is of that state."""
        index.refresh()
        if not index.is_at(state):
            self._finish(index, state)
        return index.is_at(state)

    def _finish(self, index: DerivedIndex[Any], state: State) -> None:
        """The last write has not reached an index: wait for its writer only where there is nothing older to use."""
        usable = index.is_of_epoch(state) or not index.exists()
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
        for index in self._both:
            self._open(index, state)
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
