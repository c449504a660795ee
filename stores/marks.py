"""Checksums of an index's files, so that damage is noticed before an engine reads it.

Engines trust their own files: garbage in hnswlib's graph is a segmentation fault, half a file silently lacks half the
vectors. A mark is a file's size, modification time and CRC-32; a file with the same size and time is believed, any
other is read.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

Mark = tuple[int, int, int]
"""Size in bytes, modification time in nanoseconds, CRC-32."""

_FRESH_NS = 1_000_000_000
"""A file changed within the last second is read again: file systems stamp in steps of some milliseconds."""

_BLOCK = 1 << 20


def mark_files(folder: Path, names: Iterable[str], known: Mapping[str, Mark]) -> dict[str, Mark]:
    """Mark files of `folder`; those that did not change since they were `known` are not read."""
    now = time.time_ns()
    marks: dict[str, Mark] = {}
    for name in names:
        size, modified = _stamp(folder / name)
        old = known.get(name)
        believed = old is not None and old[:2] == (size, modified) and now - modified > _FRESH_NS
        marks[name] = old if old is not None and believed else (size, modified, _checksum(folder / name))
    return marks


def first_changed(folder: Path, marks: Mapping[str, Mark], *, missing_ok: bool = False) -> str | None:
    """The first file that is not what its mark says, or None; with `missing_ok` an absent file does not count."""
    for name, (size, modified, checksum) in marks.items():
        try:
            stamp = _stamp(folder / name)
        except FileNotFoundError:
            if missing_ok:
                continue
            return name
        if stamp != (size, modified) and (stamp[0] != size or _checksum(folder / name) != checksum):
            return name
    return None


def _stamp(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def _checksum(file: Path) -> int:
    checksum = 0
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            checksum = zlib.crc32(block, checksum)
    return checksum
