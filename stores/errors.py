"""Errors of the stores."""

from __future__ import annotations

import errno
from pathlib import Path

from ..errors import RagloomError

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


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


class DatabaseCorruptError(CorpusCorruptError):
    """The database of a corpus is damaged, and there is nothing that it could be made again from."""


class CorpusVersionError(CorpusError):
    """The corpus was made by a version of ragloom that keeps it in another form."""


class CorpusFullError(CorpusError):
    """The disk has no room for the write; what was acknowledged before is safe."""

    def __init__(self, path: Path, reason: str) -> None:
        """Name the `path` that could not be written and the `reason` that the system gave."""
        super().__init__(
            f"no room to write to {path} ({reason}); free some space and run the same again: "
            "what was acknowledged before is safe"
        )


class EmbedderMismatchError(CorpusError):
    """The corpus was embedded by another model, so its vectors mean nothing to this one."""


class QueryError(CorpusError, ValueError):
    """A search was asked for with a value it cannot use."""


class EmbedderError(RagloomError):
    """An embedding model cannot be loaded or used."""


def from_os_error(error: OSError, path: Path) -> CorpusError:
    """Say what an `OSError` at `path` means for a corpus."""
    reason = error.strerror or type(error).__name__
    if error.errno in _FULL:
        return CorpusFullError(path, reason)
    return CorpusError(f"cannot use {path}: {reason}; a corpus needs a folder that can be written, even to search it")
