"""Errors of the memory."""

from __future__ import annotations

from pathlib import Path

from ...errors import RagloomError


class MemoryStoreError(RagloomError):
    """A memory cannot do what was asked."""


class MemoryNotFoundError(MemoryStoreError):
    """There is no memory at the path."""

    def __init__(self, path: Path) -> None:
        """Name the `path`."""
        super().__init__(
            f"there is no memory at {path}; check the path, or begin one: create=True, or ragloom memory remember TEXT"
        )


class MemoryLockedError(MemoryStoreError):
    """Another process is writing to the memory."""


class MemoryCorruptError(MemoryStoreError):
    """The file of a memory is damaged."""


class MemoryVersionError(MemoryStoreError):
    """The file is no memory, or that of another version of ragloom."""


class MemoryFullError(MemoryStoreError):
    """The disk has no room for the write; what was acknowledged before is safe."""

    def __init__(self, path: Path, reason: str) -> None:
        """Name the `path` that could not be written and the `reason` that the system gave."""
        super().__init__(
            f"no room to write to {path} ({reason}); free some space and do the same again: "
            "what was acknowledged before is safe"
        )


class MemoryEmbedderError(MemoryStoreError):
    """The memory holds vectors of another embedder, which mean nothing to this one."""


class MemoryValueError(MemoryStoreError, ValueError):
    """An episode, a fact or an option has a value that a memory cannot keep."""


class NaiveDatetimeError(MemoryValueError):
    """A datetime without a time zone names no instant."""

    def __init__(self, name: str, value: object) -> None:
        """Say which value it was: `name` and `value`."""
        super().__init__(
            f"{name}={value!r} is naive: it has no time zone, so it names no instant; "
            "give one, for example datetime(2024, 3, 5, tzinfo=timezone.utc)"
        )


class NotInGroupError(MemoryStoreError, LookupError):
    """The group holds nothing by this id or name."""
