"""Plain text files: one section, cut at paragraphs and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ....stores.types import Source
from ..decode import read_text
from ..span import trimmed
from ..storable import jsonable, storable_title
from ..types import Loaded, Section


def load_text(path: Path) -> Iterator[Loaded]:
    """Load a text file; its title is its name.

    Raises:
        LoadError: the file is not text.
        OSError: it cannot be read.
    """
    yield plain_document(path.as_posix(), read_text(path), path.stem, {})


def plain_document(source_id: str, text: str, title: str, metadata: Mapping[str, Any]) -> Loaded:
    """A document without headings: one section, or none if there is nothing but white space."""
    span = trimmed(text, 0, len(text))
    sections = (Section(*span),) if span else ()
    return Loaded(Source(source_id, text, storable_title(title), jsonable(metadata)), sections)
