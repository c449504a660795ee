"""Errors of the stores."""

from __future__ import annotations

from pathlib import Path

from ..errors import RagloomError


class CorpusError(RagloomError):
    """A corpus cannot do what was asked."""


class CorpusNotFoundError(CorpusError):
    """There is no corpus at the path."""

    def __init__(self, path: Path) -> None:
        """Name the `path` and the command that would make a corpus there."""
        super().__init__(f"there is no index at {path}; make one with: ragloom ingest FOLDER --into {path}")


class CorpusLockedError(CorpusError):
    """Another process is writing to the corpus."""


class CorpusCorruptError(CorpusError):
    """A file of the corpus is damaged."""


class CorpusFullError(CorpusError):
    """The disk has no room for the write; what was acknowledged before is safe."""


class EmbedderMismatchError(CorpusError):
    """The corpus was embedded by another model, so its vectors mean nothing to this one."""


class QueryError(CorpusError, ValueError):
    """A search was asked for with a value it cannot use."""


class EmbedderError(RagloomError):
    """An embedding model cannot be loaded or used."""
