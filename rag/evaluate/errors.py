"""What can go wrong in an evaluation."""

from __future__ import annotations

from pathlib import Path

from ...errors import RagloomError


class EvaluateError(RagloomError):
    """Something about an evaluation cannot be done as asked."""


class DatasetError(EvaluateError):
    """A dataset is missing or malformed; the message names the file and the line."""

    def __init__(self, file: Path, message: str, line: int | None = None) -> None:
        """Say what is wrong with `file`, and on which `line`, from 1, if it is one line's fault."""
        super().__init__(f"{file}: {message}" if line is None else f"{file}:{line}: {message}")


class SpaceError(EvaluateError):
    """A search space names what the graph does not have, or cannot be read."""
