"""The hash of a model's file, computed once."""

from __future__ import annotations

import hashlib
import logging
import re
from contextlib import suppress
from pathlib import Path

_log = logging.getLogger(__name__)

_DIGEST = re.compile(rb"[0-9a-f]{64}")


def file_digest(path: Path, folder: Path) -> str:
    """The file's SHA-256. It is noted in `folder` under the file's path, size and time, since 98 MB take 0.15 s.

    A note that is damaged or cannot be read is written anew.

    Raises:
        OSError: the file cannot be read.
    """
    stat = path.stat()
    key = hashlib.sha256(f"{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}".encode()).hexdigest()[:16]
    note = folder / f"{key}.sha256"
    with suppress(OSError):
        if _DIGEST.fullmatch(known := note.read_bytes()):
            return known.decode()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        note.write_text(digest, "ascii")
    except OSError as error:  # what the hash is for may still be in a cache that is read-only
        _log.debug("cannot note the hash of %s: %s", path, error)
    return digest
