"""A SQLite file that several threads share, whose errors say what a user can do."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RagloomError
from .errors import CorpusError, CorpusFullError, CorpusLockedError, DatabaseCorruptError

_BUSY_S = 5
_AT_ONCE = 500
"""Values in one `IN (…)`."""

_FULL = {"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_FSYNC", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_TRUNCATE"}

_DAMAGE = ("Could not decode", "malformed JSON", "no such table", "no such column")
"""What SQLite says of a page that holds something else than it should."""


@dataclass(frozen=True, slots=True)
class Failures:
    """What a store raises when SQLite fails.

    Attributes:
        error: for what has no kind of its own.
        corrupt: for a damaged file.
        locked: for a file that another process writes for too long.
        full: for a full disk; made from the path and the reason.
        store: what the file holds, in words.
        remedy: what to do about a damaged one.
    """

    error: type[RagloomError]
    corrupt: type[RagloomError]
    locked: type[RagloomError]
    full: Callable[[Path, str], RagloomError]
    store: str
    remedy: str


OF_CORPUS = Failures(
    CorpusError,
    DatabaseCorruptError,
    CorpusLockedError,
    CorpusFullError,
    "a corpus",
    "restore it from a backup, or ingest again into a new index",
)


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Several processes that make one file switch it at once, each in the way of the others; so they take turns."""
    connection.execute("PRAGMA busy_timeout=0")
    give_up = time.monotonic() + _BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if not (error.sqlite_errorname or "").startswith("SQLITE_BUSY") or time.monotonic() > give_up:
                raise
        time.sleep(random.uniform(0.001, 0.05))


class SqliteFile:
    """One connection in WAL mode, its commits on disk before they return."""

    def __init__(self, path: Path, failures: Failures = OF_CORPUS, *, busy_s: float = _BUSY_S) -> None:
        """Open the file at `path`, or create it.

        Args:
            path: of the file.
            failures: what to raise where SQLite fails.
            busy_s: how long to wait for another connection's write, in seconds.

        Raises:
            DatabaseCorruptError: the file is not a database.
            CorpusError: it cannot be opened.
        """
        self.path = path
        self._failures = failures
        self._mutex = threading.RLock()
        with self.explained():
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=busy_s)
            self._connection.row_factory = sqlite3.Row
            try:
                _switch_to_wal(self._connection)
                for pragma in (f"busy_timeout={busy_s * 1000:.0f}", "synchronous=FULL", "foreign_keys=ON"):
                    self._connection.execute(f"PRAGMA {pragma}")
            except BaseException:
                self._connection.close()
                raise

    def one(self, sql: str, *values: Any) -> sqlite3.Row | None:
        """The first row, or None."""
        with self._mutex, self.explained():
            row: sqlite3.Row | None = self._connection.execute(sql, values).fetchone()
            return row

    def all(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Every row."""
        with self._mutex, self.explained():
            return self._connection.execute(sql, values).fetchall()

    def among(self, sql: str, values: Sequence[Any]) -> list[sqlite3.Row]:
        """The rows of a query with one `IN (%s)`, however many values there are."""
        rows: list[sqlite3.Row] = []
        for start in range(0, len(values), _AT_ONCE):
            part = values[start : start + _AT_ONCE]
            rows += self.all(sql % ",".join("?" * len(part)), *part)
        return rows

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """Run a statement; inside `transaction` where it writes."""
        with self._mutex, self.explained():
            return self._connection.execute(sql, values)

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement for each of the rows, inside `transaction`."""
        with self._mutex, self.explained():
            self._connection.executemany(sql, rows)

    def transaction(self) -> AbstractContextManager[None]:
        """Commit at the end, roll back on an error; other threads wait."""
        return self._between("BEGIN IMMEDIATE")

    def snapshot(self) -> AbstractContextManager[None]:
        """Read one state of the file, whatever is written meanwhile."""
        return self._between("BEGIN")

    @contextmanager
    def _between(self, begin: str) -> Iterator[None]:
        with self._mutex, self.explained():
            self._connection.execute(begin)
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def check(self) -> None:
        """Read the whole file.

        Raises:
            DatabaseCorruptError: it is damaged.
        """
        row = self.one("PRAGMA integrity_check(1)")
        if row is None or row[0] != "ok":
            raise self._damaged(row[0] if row else "unreadable")

    def close(self) -> None:
        """Close the file."""
        with self._mutex:
            self._connection.close()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what SQLite raises into an error that a user can act on."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise self._explain(error) from error
        except sqlite3.ProgrammingError as error:
            raise self._failures.error(f"{self.path.parent} is closed; open it again ({error})") from error
        except sqlite3.DatabaseError as error:
            raise self._damaged(str(error)) from error
        except UnicodeEncodeError as error:
            raise self._failures.error(
                f"{error.object!r:.80} contains a lone surrogate and cannot be stored or looked up"
            ) from error

    def _damaged(self, reason: str) -> RagloomError:
        return self._failures.corrupt(f"{self.path} is damaged ({' '.join(reason.split())}); {self._failures.remedy}")

    def _explain(self, error: sqlite3.OperationalError) -> RagloomError:
        name = getattr(error, "sqlite_errorname", "") or ""
        if name in _FULL:
            return self._failures.full(self.path, str(error))
        if name.startswith("SQLITE_BUSY"):
            return self._failures.locked(f"{self.path} is being written by another process; wait for it and try again")
        if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
            return self._failures.error(
                f"cannot use {self.path}: {error}; {self._failures.store} needs a folder that can be written"
            )
        if str(error).startswith(_DAMAGE):
            return self._damaged(str(error))
        return self._failures.error(f"cannot use {self.path}: {error}")
