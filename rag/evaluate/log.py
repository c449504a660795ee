"""The file of an evaluation's runs: JSON lines that survive being killed.

A run is one line, written whole and flushed before the next begins. What a killed process left of its last line has no
line break at its end: it is cut off, and that run is made again.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, Self

from pydantic import ValidationError

from .errors import EvaluateError
from .record import Record


class RunLog:
    """The runs in a file; a context that holds the file open for more."""

    def __init__(self, file: Path) -> None:
        """Read what is in `file`, if there is one.

        Raises:
            EvaluateError: a line of it is no run.
        """
        self.file = file
        self.records: list[Record] = []
        self._open: IO[bytes] | None = None
        whole = self._without_half_line(file.read_bytes()) if file.is_file() else b""
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                self.records.append(Record.model_validate_json(line))
            except ValidationError as error:
                raise EvaluateError(
                    f"{file}:{number}: is not a run that this version of ragloom has written; name another folder"
                ) from error

    def append(self, record: Record) -> None:
        """Keep a run: when this returns, a killed process does not lose it."""
        assert self._open is not None
        self._open.write(record.model_dump_json().encode() + b"\n")
        self._open.flush()
        self.records.append(record)

    def __enter__(self) -> Self:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self._open = self.file.open("ab")
        return self

    def __exit__(self, *_: object) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _without_half_line(self, found: bytes) -> bytes:
        whole = found[: found.rfind(b"\n") + 1]
        if len(whole) < len(found):
            with self.file.open("r+b") as file:
                file.truncate(len(whole))
        return whole
