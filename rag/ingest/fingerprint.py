"""Fingerprints: hashes of all that a document and its chunks were made from. Equal ones mean nothing to do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from ...stores.types import Source
from .split import SPLITTER_VERSION

_END = "."


def of_file(path: Path, loader: str, max_tokens: int | None) -> str:
    """The fingerprint that every document of a file shares: of its bytes, not of its date.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    return _hash(content, loader, max_tokens)


def of_document(source: Source, loader: str, max_tokens: int | None) -> str:
    """The fingerprint of a document that comes from no file."""
    content = json.dumps([source.text, source.title, source.metadata], sort_keys=True)
    return _hash(content, loader, max_tokens)


def last(fingerprint: str) -> str:
    """The fingerprint of the last document of a file.

    Documents are committed in order, so where the last one is stored, all are; a run that was killed in the middle
    of a file leaves no last one, and the next run takes the file up again.
    """
    return fingerprint + _END


def is_complete(stored: Mapping[str, str], fingerprint: str) -> bool:
    """Whether the documents stored of a file are all there and all of this version of it."""
    versions = set(stored.values())
    return last(fingerprint) in versions and versions <= {fingerprint, last(fingerprint)}


def same(one: str, other: str) -> bool:
    """Whether two documents are of one version, be either the last of its file or not."""
    return one.removesuffix(_END) == other.removesuffix(_END)


def _hash(content: str, loader: str, max_tokens: int | None) -> str:
    parts = [content, loader, SPLITTER_VERSION, str(max_tokens)]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
