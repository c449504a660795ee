"""A SQLite file that several threads share, whose errors say what a user can do."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import CorpusCorruptError, CorpusError, CorpusFullError, CorpusLockedError

_BUSY_S = 5
_AT_ONCE = 500
"""Values in one `IN (…)`."""

_FULL = {"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_FSYNC", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_TRUNCATE"}

_DAMAGE = ("Could not decode", "malformed JSON", "no such table", "no such column")
"""What SQLite says of a page that holds something else than it should."""


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

    def __init__(self, path: Path) -> None:
        """Open the file at `path`, or create it.

        Raises:
            CorpusCorruptError: the file is not a database.
            CorpusError: it cannot be opened.
        """
        self.path = path
        self._mutex = threading.RLock()
        with self.explained():
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=_BUSY_S)
            self._connection.row_factory = sqlite3.Row
            try:
                _switch_to_wal(self._connection)
                for pragma in (f"busy_timeout={_BUSY_S * 1000}", "synchronous=FULL", "foreign_keys=ON"):
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

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit at the end, roll back on an error; other threads wait."""
        with self._mutex, self.explained():
            self._connection.execute("BEGIN IMMEDIATE")
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
            CorpusCorruptError: it is damaged.
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
            raise CorpusError(f"{self.path.parent} is closed; open it again ({error})") from error
        except sqlite3.DatabaseError as error:
            raise self._damaged(str(error)) from error
        except UnicodeEncodeError as error:
            raise CorpusError(
                f"{error.object!r:.80} contains a lone surrogate and cannot be stored or looked up"
            ) from error

    def _damaged(self, reason: str) -> CorpusCorruptError:
        reason = " ".join(reason.split())
        return CorpusCorruptError(
            f"{self.path} is damaged ({reason}); restore it from a backup, or ingest again into a new index"
        )

    def _explain(self, error: sqlite3.OperationalError) -> CorpusError:
        name = getattr(error, "sqlite_errorname", "") or ""
        if name in _FULL:
            return CorpusFullError(self.path, str(error))
        if name.startswith("SQLITE_BUSY"):
            return CorpusLockedError(f"{self.path} is being written by another process; wait for it and try again")
        if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
            return CorpusError(f"cannot use {self.path}: {error}; a corpus needs a folder that can be written")
        if str(error).startswith(_DAMAGE):
            return self._damaged(str(error))
        return CorpusError(f"cannot use {self.path}: {error}")
