"""Who may touch a corpus: one writer at a time, and nobody reading vectors while they change.

`WriterLock` is held across processes for as long as somebody writes and names its holder to whoever comes second.
`ReadersWriterLock` lets any number of readers in, or one writer: embedded Chroma is not process-safe, so its files must
not change under a reader. Taking it costs microseconds (an `flock` on a fresh descriptor, so threads are independent
too); a reader passes a turnstile first, so that a stream of readers cannot keep the writer out for ever.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from .errors import CorpusLockedError, from_os_error

WAIT_S = 0.5
"""How long a second writer waits for the first before it gives up."""


class WriterLock:
    """An exclusive lock on a corpus, re-entrant within a thread.

    Threads that share the object queue up; another object on the same path, in this process or in another, is told
    who holds the lock.
    """

    def __init__(self, path: Path) -> None:
        """Lock by the file at `path`; `<path>.holder` beside it says who holds it."""
        self._threads = threading.RLock()
        self._lock = FileLock(path, thread_local=False)
        self._holder = path.with_suffix(".holder")

    @contextmanager
    def hold(self, wait_s: float = WAIT_S) -> Iterator[None]:
        """Hold the lock.

        Args:
            wait_s: how long to wait for another object's holder; with 0 the threads of this object do not queue either.

        Raises:
            CorpusLockedError: it is still held after `wait_s` seconds; the message names the holder.
            CorpusFullError: the disk is full.
            CorpusError: the folder cannot be written.
        """
        if not self._threads.acquire(blocking=wait_s > 0):
            raise self._refusal()
        try:
            self._acquire(wait_s)
            try:
                yield
            finally:
                self._lock.release()
        finally:
            self._threads.release()

    def _acquire(self, wait_s: float) -> None:
        try:
            self._lock.acquire(timeout=wait_s)
        except Timeout:
            raise self._refusal() from None
        except OSError as error:
            raise from_os_error(error, self._holder.parent) from error
        if self._lock.lock_counter > 1:
            return
        try:
            self._write_holder()
        except OSError as error:
            self._lock.release()
            raise from_os_error(error, self._holder.parent) from error

    def _refusal(self) -> CorpusLockedError:
        return CorpusLockedError(f"{self._holder.parent} is being written by {self._describe_holder()}")

    def _write_holder(self) -> None:
        command = " ".join([Path(sys.argv[0] or "python").name, *sys.argv[1:]])[:200]
        since = datetime.now(UTC).isoformat(timespec="seconds")
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "command": command, "since": since}
        self._holder.write_text(json.dumps(holder), encoding="utf-8")

    def _describe_holder(self) -> str:
        try:
            holder = json.loads(self._holder.read_text(encoding="utf-8"))
            return (
                f"process {holder['pid']} on {holder['host']} ({holder['command']}) since {holder['since']}; "
                "wait for it, or stop it"
            )
        except (OSError, ValueError, KeyError, TypeError):
            return "another process; wait for it, or stop it"


class ReadersWriterLock:
    """Any number of readers, or one writer, across threads and processes; not re-entrant."""

    def __init__(self, path: Path) -> None:
        """Lock by the file at `path` and a turnstile beside it."""
        self._path = path
        self._turnstile = path.with_suffix(".turn")

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Read: waits only while a writer is at work."""
        with _locked(self._turnstile, exclusive=False):
            lock = _locked(self._path, exclusive=False)
            lock.__enter__()
        try:
            yield
        finally:
            lock.__exit__(None, None, None)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Write: stops new readers at the turnstile and waits for those inside."""
        with _locked(self._turnstile, exclusive=True), _locked(self._path, exclusive=True):
            yield


if sys.platform == "win32":

    @contextmanager
    def _locked(path: Path, *, exclusive: bool) -> Iterator[None]:  # noqa: ARG001 - no shared locks here: readers take turns
        with FileLock(path, is_singleton=False):
            yield

else:
    import fcntl

    @contextmanager
    def _locked(path: Path, *, exclusive: bool) -> Iterator[None]:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
            yield
        finally:
            os.close(descriptor)
