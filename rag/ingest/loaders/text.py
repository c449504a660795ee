"""Plain text files: one section, cut at paragraphs and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ....stores.types import Source
from .. import plain
from ..decode import read_text
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
    start = len(text) - len(text.lstrip())
    end = len(text.rstrip())
    sections = (Section(start, end),) if start < end else ()
    return Loaded(Source(source_id, text, plain.title(title), plain.jsonable(metadata)), sections)
