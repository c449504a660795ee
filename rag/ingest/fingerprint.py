"""Fingerprints: hashes of all that something was made from. Equal ones mean that there is nothing to do.

A document's tells whether it has to be cut and embedded again. A file's covers those of its documents, so it holds only
as long as just these are stored: then the file need not even be parsed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from .types import Loaded


def of_content(path: Path) -> str:
    """The hash of a file's bytes; its date does not matter.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_document(loaded: Loaded, settings: str) -> str:
    """The fingerprint of a document: what the loader gave, and who reads and cuts it how."""
    source = loaded.source
    sections = [(each.start, each.end, each.heading, each.opening, each.metadata) for each in loaded.sections]
    return _hash(settings, [source.text, source.title, source.metadata, sections])


def of_file(content: str, documents: Mapping[str, str], settings: str) -> str:
    """The fingerprint of a file: the hash of its bytes, its documents' ids and fingerprints, and the settings."""
    return _hash(settings, [content, dict(documents)])


def _hash(settings: str, value: object) -> str:
    return hashlib.sha256(json.dumps([settings, value], sort_keys=True).encode()).hexdigest()
