"""Fingerprints: hashes of all that a document and its chunks were made from. Equal ones mean nothing to do.

A document's fingerprint is its *mark*: a hash of what the loader gave and of the settings. That of a file's last
document goes on with the file's *seal*: a hash of the file's bytes and of the marks of all its documents. A file whose
seal is stored, and fits what is stored of it, has not even to be parsed. A run that was killed in the middle of a file
writes no seal, and neither does one that left something of it out: the next run takes the file up again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from .split import SPLITTER_VERSION
from .types import Loaded

_SEAL = "."


def of_content(path: Path) -> str:
    """The hash of a file's bytes; its date does not matter.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def settings(loader: str, max_tokens: int, reads: int) -> str:
    """What a mark and a seal hold of who read and cut a document.

    Args:
        loader: the loader's name.
        max_tokens: the size of a chunk that is wanted.
        reads: tokens that the embedder reads of a text; of no matter as long as chunks of that size fit.
    """
    return "\0".join([loader, SPLITTER_VERSION, str(max_tokens), str(min(max_tokens, reads))])


def mark(loaded: Loaded, settings: str) -> str:
    """The fingerprint of a document but for a seal."""
    source = loaded.source
    sections = [(each.start, each.end, each.heading, each.opening, each.metadata) for each in loaded.sections]
    content = json.dumps([source.text, source.title, source.metadata, sections], sort_keys=True)
    return _hash(settings, content)


def sealed(mark: str, seal: str) -> str:
    """The fingerprint of a file's last document."""
    return mark + _SEAL + seal


def seal(content: str, fingerprints: Mapping[str, str], settings: str) -> str:
    """The seal of a file, from the hash of its bytes and the fingerprints of all its documents by id."""
    marks = sorted((id_, _mark_of(fingerprint)) for id_, fingerprint in fingerprints.items())
    return _hash(settings, content, json.dumps(marks))


def same(one: str, other: str) -> bool:
    """Whether two fingerprints are of the same document, whatever their seals."""
    return _mark_of(one) == _mark_of(other)


def says_all_of(stored: str, fingerprint: str) -> bool:
    """Whether a stored fingerprint has the mark and, if there is one, the seal of another."""
    return fingerprint in {stored, _mark_of(stored)}


def has_seal(fingerprints: Mapping[str, str], seal: str) -> bool:
    """Whether one of these documents carries the seal."""
    return any(fingerprint.endswith(_SEAL + seal) for fingerprint in fingerprints.values())


def _mark_of(fingerprint: str) -> str:
    return fingerprint.partition(_SEAL)[0]


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
