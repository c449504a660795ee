"""The file of a memory: one connection that writes, any number that read, each of a group.

A write is one transaction with one record time: the later of now and a microsecond after the group's last. A clock that
goes backwards thus breaks nothing, and whoever reads at an earlier record time reads what was there then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..sqlite import Failures, SqliteFile
from . import schema
from .errors import (
    MemoryCorruptError,
    MemoryFullError,
    MemoryLockedError,
    MemoryNotFoundError,
    MemoryStoreError,
    MemoryVersionError,
)
from .instants import to_micros, to_utc

Now = Callable[[], datetime]

_BUSY_S = 60
_CACHE_KIB = 64 * 1024
_MOST_IDLE = 16
"""Connections that are kept for the next reader: each has a cache of its own."""
_FAILURES = Failures(
    MemoryStoreError,
    MemoryCorruptError,
    MemoryLockedError,
    MemoryFullError,
    "a memory",
    "restore it from a backup",
)


@dataclass(frozen=True, slots=True)
class Reading:
    """One state of a group, read by a connection of its own until the block ends.

    Attributes:
        file: asks the database.
        group: the group's key; 0 where nothing has been written yet.
        recorded: record time of the group's last write, in microseconds.
        generation: counts the writes; keys that a reader does not know yet are higher than all it knows.
        erasures: counts those writes that removed rows.
    """

    file: SqliteFile
    group: int
    recorded: int
    generation: int
    erasures: int

    @property
    def low(self) -> int:
        """The lowest key of the group."""
        return schema.key_range(self.group)[0]

    @property
    def high(self) -> int:
        """The highest key of the group."""
        return schema.key_range(self.group)[1]

    def has_key(self, key: object) -> bool:
        """Whether a value may be a key of the group; a larger number than SQLite has is none."""
        return isinstance(key, int) and self.low <= key <= self.high


class Writing:
    """A write to a group, inside its transaction.

    Attributes:
        reading: the group as it is now, inside the transaction.
        file: asks and changes the database.
        recorded: record time of this write, in microseconds.
    """

    def __init__(self, reading: Reading, recorded: int, free: int) -> None:
        """Write at record time `recorded`; `free` is the next key."""
        self.reading = reading
        self.file = reading.file
        self.recorded = recorded
        self._free = free
        self._erasures = reading.erasures

    def keys(self, number: int) -> range:
        """So many new keys."""
        if self._free + number > self.reading.high:
            raise MemoryFullError(self.file.path, f"a group has room for {schema.PER_GROUP:,} things")
        self._free += number
        return range(self._free - number, self._free)

    def close(self, table: str, keys: Iterable[int]) -> None:
        """End the record interval of rows that are open; those that this very write began were never there."""
        given = [(self.recorded, key) for key in keys]
        self.file.many(f"DELETE FROM {table} WHERE recorded_from = ? AND key = ?", given)
        self.file.many(f"UPDATE {table} SET recorded_to = ? WHERE key = ? AND recorded_to IS NULL", given)

    def erased(self) -> None:
        """Tell those who keep rows in memory that some are gone."""
        self._erasures += 1

    def finish(self) -> None:
        """Note what the next write begins with."""
        self.file.execute(
            "UPDATE groups SET next = ?, recorded = ?, generation = generation + 1, erasures = ? WHERE key = ?",
            self._free,
            self.recorded,
            self._erasures,
            self.reading.group,
        )


class MemoryFile:
    """Opens the file, and gives connections to it; safe to use from several threads and processes."""

    def __init__(self, path: Path, *, language: str, create: bool, now: Now) -> None:
        """Open the file at `path`, or make one for texts in `language` where `create` says so.

        Raises:
            MemoryNotFoundError: there is none, and `create` is false.
            MemoryVersionError: it is no memory, or one of another version.
            MemoryCorruptError: it is damaged.
            MemoryStoreError: it cannot be opened or made.
        """
        self.path = path
        self._now = now
        self._idle: list[SqliteFile] = []
        self._lock = threading.Lock()
        self._is_closed = False
        if not create and not path.is_file():
            raise MemoryNotFoundError(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MemoryStoreError(f"cannot make {path.parent}: {error.strerror}") from error
        self.writer = self._connect()
        try:
            self._create_or_check(language)
            self.writer.execute("PRAGMA secure_delete=ON")
        except BaseException:
            self.writer.close()
            raise

    def _connect(self) -> SqliteFile:
        file = SqliteFile(self.path, _FAILURES, busy_s=_BUSY_S)
        file.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        return file

    def _create_or_check(self, language: str) -> None:
        if not self.writer.one("SELECT 1 FROM sqlite_master"):
            with self.writer.transaction():
                if not self.writer.one("SELECT 1 FROM sqlite_master"):  # another process may have come first
                    for statement in schema.TABLES:
                        self.writer.execute(statement)
                    self.writer.execute("INSERT INTO meta VALUES ('language', ?)", language)
                    self.writer.execute(f"PRAGMA application_id={schema.APPLICATION_ID}")
                    self.writer.execute(f"PRAGMA user_version={schema.VERSION}")
        found = [(self.writer.one(f"PRAGMA {name}") or (0,))[0] for name in ("application_id", "user_version")]
        if found[0] != schema.APPLICATION_ID:
            raise MemoryVersionError(f"{self.path} is a database, but no memory of ragloom's; give another path")
        if found[1] != schema.VERSION:
            raise MemoryVersionError(f"{self.path} was made by another version of ragloom; use that one")

    def meta(self, name: str) -> str | None:
        """A named value, or None."""
        with self._reader() as file:
            row = file.one("SELECT value FROM meta WHERE name = ?", name)
        return None if row is None else str(row["value"])

    def groups(self) -> list[str]:
        """Names of the groups that were written to, in order of their first write."""
        with self._reader() as file:
            return [row["name"] for row in file.all("SELECT name FROM groups ORDER BY key")]

    @contextmanager
    def reading(self, group: str) -> Iterator[Reading]:
        """Read one state of a group; readers wait for nobody.

        Raises:
            MemoryStoreError: the memory is closed.
        """
        with self._reader() as file, file.snapshot():
            yield _state(file, group)

    @contextmanager
    def _reader(self) -> Iterator[SqliteFile]:
        """A connection for one reader, which another one has afterwards."""
        with self._lock:
            if self._is_closed:
                raise MemoryStoreError(f"{self.path} is closed; open it again")
            file = self._idle.pop() if self._idle else None
        if file is None:
            file = self._connect()
            file.execute("PRAGMA query_only=ON")
        try:
            yield file
        finally:
            with self._lock:
                is_kept = not self._is_closed and len(self._idle) < _MOST_IDLE
                if is_kept:
                    self._idle.append(file)
            if not is_kept:
                file.close()

    @contextmanager
    def writing(self, group: str) -> Iterator[Writing]:
        """Write to a group, which is made where there is none; commits at the end, rolls back on an error.

        Raises:
            MemoryLockedError: other processes write for a minute without a gap.
        """
        with self.writer.transaction():
            state = _state(self.writer, group)
            if not state.group:
                self.writer.execute("INSERT INTO groups VALUES (NULL, ?, 0, 0, 0, 0)", group)
                self.writer.execute(f"UPDATE groups SET next = key * {schema.PER_GROUP} + 1 WHERE name = ?", group)
                state = _state(self.writer, group)
            row = self.writer.one("SELECT next FROM groups WHERE key = ?", state.group)
            now = to_micros(to_utc(self._now(), "now"))
            writing = Writing(state, max(state.recorded + 1, now), row["next"] if row else 0)
            yield writing
            writing.finish()

    def close(self) -> None:
        """Close all connections; one that is reading closes when it is done."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for file in (*idle, self.writer):
            file.close()


def _state(file: SqliteFile, group: str) -> Reading:
    row = file.one("SELECT key, recorded, generation, erasures FROM groups WHERE name = ?", group)
    return Reading(file, 0, 0, 0, 0) if row is None else Reading(file, *tuple(row))
