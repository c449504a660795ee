"""The values of ingesting: what a loader gives, what was skipped and why, how far a run is and what it did.

A `Loader` turns a path (or what follows a scheme such as `pydoc:`) into documents with their sections. It is an
ordinary callable, so a plug-in needs nothing from ragloom but these dataclasses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from ...stores.types import Source


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a document under one heading, or one page of it.

    Attributes:
        start: offset of its first character in `source.text`; its heading line stands before it.
        end: offset after its last character.
        heading: the headings it stands under, outermost first.
        opening: offset of its heading line, or None where it has none of its own.
        metadata: JSON-serialisable values of this section alone (`page` for a PDF).
    """

    start: int
    end: int
    heading: tuple[str, ...] = ()
    opening: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A document as a loader gives it.

    Attributes:
        source: its text, id, title and metadata. The id of a file's document is the path it was loaded from, or
            starts with that path and `#`.
        sections: in order and disjoint; together they cover everything worth indexing.
    """

    source: Source
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that is not in the corpus, and why.

    Attributes:
        path: the file, folder or scheme.
        reason: one line for the user.
        is_unread: whether nobody knows what it holds: then nothing of its file that is stored is taken for gone.
    """

    path: str
    reason: str
    is_unread: bool = field(default=False, compare=False)


Loader: TypeAlias = Callable[[Path], Iterable[Loaded | Skipped]]
"""Gives the documents of a file; raises `LoadError` or `OSError` if it cannot, yields `Skipped` for a part left out."""

SchemeLoader: TypeAlias = Callable[[str], Iterable[Loaded | Skipped]]
"""Gives the documents behind `scheme:rest`; it is called with `rest`."""


@dataclass(frozen=True, slots=True)
class IngestProgress:
    """Told to `on_progress` before each file and once at the end.

    Attributes:
        done: files dealt with so far.
        total: files to deal with.
        path: the file that comes now; empty at the end.
        chunks: chunks made so far.
    """

    done: int
    total: int
    path: str
    chunks: int


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an `ingest` did. Files are counted in `files`; all other counts but the last two are documents.

    A file is one document, except where a loader makes several of it (one per row, one per topic).

    Attributes:
        files: files and schemes that a loader was found for.
        added: documents that are new.
        changed: documents that replaced another text.
        unchanged: documents that were there already and are the same.
        removed: documents that are gone, because their file or row is.
        skipped: what is not in the corpus (or only as it was before), one by one.
        chunks: chunks made in this run.
        embedded: texts that went through the embedder.
        seconds: wall time by stage: `walk`, `read`, `split`, `embed`, `store`, `lexical`, `dense`.
    """

    files: int
    added: int
    changed: int
    unchanged: int
    removed: int
    skipped: tuple[Skipped, ...]
    chunks: int
    embedded: int
    seconds: Mapping[str, float]

    def summary(self) -> str:
        """The counts in one line."""
        documents = (f"{getattr(self, count):,} {count}" for count in ("added", "changed", "unchanged", "removed"))
        return (
            f"{self.files:,} files; documents: {', '.join(documents)}; "
            f"{self.chunks:,} chunks made, {self.embedded:,} embedded; {len(self.skipped):,} skipped"
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON-serialisable form."""
        return {**asdict(self), "seconds": dict(self.seconds)}
