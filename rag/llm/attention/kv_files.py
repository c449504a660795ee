"""One document's KV as a file: a header, a checksum and the pieces. It is written beside its place and moved there."""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..errors import ModelError

_MAGIC = b"RLKV\x01"
_HASH = 32  # bytes of SHA-256; it takes 0.5 ms a megabyte
_COUNT = struct.Struct("<I")
_LENGTH = struct.Struct("<Q")


def write_entry(path: Path, states: Sequence[bytes], part: str) -> None:
    """Write the pieces to `path` in one step; other processes see the old file or the new one.

    Args:
        path: where to.
        states: the pieces.
        part: the ending of the file while it is being written.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    lengths = b"".join(_LENGTH.pack(len(state)) for state in states)
    body = [_COUNT.pack(len(states)), lengths, *states]
    digest = hashlib.sha256()
    for piece in body:
        digest.update(piece)
    handle, name = tempfile.mkstemp(suffix=part, prefix=path.stem[:16], dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines([_MAGIC, digest.digest(), *body])
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_entry(path: Path) -> tuple[bytes, ...]:
    """The pieces in `path`.

    Raises:
        OSError: the file cannot be read.
        ModelError: it is not what was written.
    """
    data = memoryview(path.read_bytes())
    start = len(_MAGIC) + _HASH
    if data[: len(_MAGIC)] != _MAGIC or hashlib.sha256(data[start:]).digest() != data[len(_MAGIC) : start]:
        raise ModelError("it is cut off or was changed")
    (count,) = _COUNT.unpack_from(data, start)
    at = start + _COUNT.size + count * _LENGTH.size
    states = []
    for index in range(count):
        (length,) = _LENGTH.unpack_from(data, start + _COUNT.size + index * _LENGTH.size)
        states.append(bytes(data[at : at + length]))
        at += length
    return tuple(states)
