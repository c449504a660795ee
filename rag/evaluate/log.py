"""The file of an evaluation's runs: JSON lines that survive being killed.

A run is one line, written whole and flushed before the next begins. What a killed process left of its last line has no
line break at its end: it is cut off, and that run is made again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Self

from filelock import FileLock, Timeout
from pydantic import ValidationError

from .errors import EvaluateError
from .record import Record

_log = logging.getLogger(__name__)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other evaluations out of a folder, which is made if it is not there; one that stays empty goes again.

    Raises:
        EvaluateError: another one is writing there.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "evaluation.lock"
    lock = FileLock(file, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise EvaluateError(f"another evaluation is writing in {folder}; wait for it, or name another folder") from None
    try:
        yield
    finally:
        lock.release()
        if is_new and set(folder.iterdir()) <= {file}:
            file.unlink(missing_ok=True)
            folder.rmdir()


class RunLog:
    """The runs in a file; a context that holds the file open for more.

    Attributes:
        records: the runs that are in the file.
    """

    def __init__(self, file: Path) -> None:
        """Keep runs in `file`, which nothing happens to before the context is entered."""
        self.file = file
        self.records: list[Record] = []
        self._open: IO[bytes] | None = None

    def append(self, record: Record) -> None:
        """Keep a run: when this returns, a killed process does not lose it.

        Raises:
            EvaluateError: it cannot be written.
        """
        assert self._open is not None
        try:
            self._open.write(record.as_line() + b"\n")
            self._open.flush()
        except OSError as error:
            raise EvaluateError(f"cannot write to {self.file}: {error.strerror}; the runs before are kept") from error
        self.records.append(record)

    def __enter__(self) -> Self:
        """Read what is in the file, if there is one; of a line that is no run, a warning tells.

        Raises:
            EvaluateError: no line of the file is a run.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.records = self._read()
        self._open = self.file.open("ab")
        return self

    def __exit__(self, *_: object) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _read(self) -> list[Record]:
        found, wrong = [], []
        for number, line in enumerate(self._whole_lines(), start=1):
            try:
                found.append(Record.model_validate_json(line))
            except ValidationError:
                wrong.append(number)
        if wrong and not found:
            raise EvaluateError(
                f"{self.file}:{wrong[0]}: is not a run that this version of ragloom has written; name another folder"
            )
        for number in wrong:
            _log.warning("%s:%d: is not a run, and is made again", self.file, number)
        return found

    def _whole_lines(self) -> list[bytes]:
        written = self.file.read_bytes() if self.file.is_file() else b""
        whole = written[: written.rfind(b"\n") + 1]
        if len(whole) < len(written):
            with self.file.open("r+b") as file:
                file.truncate(len(whole))
        return whole.splitlines()
