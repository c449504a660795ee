"""The values that go into a corpus and come out of it.

A `Source` is a document as it was read: its extracted text is stored, and every character offset in ragloom counts
Unicode code points of that text. A `Chunk` is a span of a source; a `Hit` is a chunk that a search found.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.documents import Document

from .embedder import Fingerprint

INCOMPLETE = "incomplete"
"""The fingerprint of a source that has lost chunks: no document has it, so the next ingest makes them again."""


def context_line(title: str, heading: Iterable[str]) -> str:
    """What a text stands under, in one line: the title, then the headings that say something else."""
    return " > ".join(dict.fromkeys(part for part in (title, *heading) if part))


def context_of(document: Document) -> str:
    """The `title` and `heading` of a document's metadata in one line: what its text stands under, empty if nothing."""
    title = " ".join(str(document.metadata.get("title") or "").split())
    return context_line(title, headings_of(document))


def headings_of(document: Document) -> tuple[str, ...]:
    """The `heading` of a document's metadata, outermost first; other libraries have one text there."""
    heading = document.metadata.get("heading") or ()
    return (heading,) if isinstance(heading, str) else tuple(map(str, heading))


@dataclass(frozen=True, slots=True)
class Source:
    """A document as it was read.

    Attributes:
        id: stable name, for a file its absolute path; adding another text under the same id replaces the document.
        text: the extracted text that spans and citations point into.
        title: what a citation shows.
        metadata: JSON-serialisable values, shared by every chunk of the source.
        fingerprint: hash of everything the text and its chunks were made from (file bytes, loader, splitter);
            equal fingerprints mean that there is nothing to do. Once the source has lost some of its chunks the
            corpus has `INCOMPLETE` instead.
    """

    id: str
    text: str
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A span of a source: the unit that is embedded, indexed and found.

    Attributes:
        source: the document it was cut from.
        start: offset of its first character in `source.text`.
        end: offset after its last character.
        heading: the headings it stands under, outermost first.
        section: span `(start, end)` of the section it stands in, or None: the whole source.
        metadata: JSON-serialisable values of this chunk alone (`page` for a PDF).
        id: its name in the corpus; by default a hash of source, heading and text, so that an unchanged chunk of a
            changed document keeps its id and its vector.
    """

    source: Source
    start: int
    end: int
    heading: tuple[str, ...] = ()
    section: tuple[int, int] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)
    id: str = ""

    def __post_init__(self) -> None:
        """Check the span and fill in the id.

        Raises:
            ValueError: the span does not lie within the source's text.
        """
        if not 0 <= self.start <= self.end <= len(self.source.text):
            size = len(self.source.text)
            raise ValueError(
                f"chunk [{self.start}:{self.end}] of {self.source.id!r} lies outside its {size} characters"
            )
        if not self.id:
            object.__setattr__(self, "id", _digest([self.source.id, *self.heading, self.text]))

    @property
    def text(self) -> str:
        """The chunk's own words: `source.text[start:end]`."""
        return self.source.text[self.start : self.end]

    @property
    def context(self) -> str:
        """Title and headings in one line: what the text stands under."""
        return context_line(self.source.title, self.heading)

    @property
    def embedded_text(self) -> str:
        """What the embedder and BM25 see: the context line, if any, then the text."""
        return f"{self.context}\n{self.text}" if self.context else self.text

    @classmethod
    def from_text(cls, text: str, *, id: str = "", title: str = "", metadata: Mapping[str, Any] | None = None) -> Chunk:  # noqa: A002
        """Make a chunk that is a whole document by itself; its id is `id`, or a hash of text, title and metadata."""
        metadata = metadata or {}
        chunk_id = id or _digest([text, title, repr(sorted(metadata.items(), key=repr))])
        return cls(Source(chunk_id, text, title, metadata), 0, len(text), id=chunk_id)

    @classmethod
    def from_document(cls, document: Document) -> Chunk:
        """Make a chunk of a LangChain document; its `id`, `title` and `metadata` are kept."""
        title = document.metadata.get("title", "")
        return cls.from_text(
            document.page_content, id=document.id or "", title=str(title or ""), metadata=document.metadata
        )


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that a search found.

    Attributes:
        document: `page_content` is the chunk's text, `id` its id; `metadata` holds the source's and the chunk's
            metadata, with `source` (its id) and `title` where they say nothing else, and always `source_id`,
            `heading`, `start`, `end` and `section`. What you give under one of these names is found under the same with
            an underscore: `section_`.
        score: higher is better; its scale depends on the search mode (RRF sum, cosine, BM25).
        rank: 1 for the best.
    """

    document: Document
    score: float
    rank: int

    def as_document(self) -> Document:
        """A copy of the document whose metadata have `score` and `rank`, as LangChain's retrievers give it."""
        metadata = {**self.document.metadata, "score": self.score, "rank": self.rank}
        return self.document.model_copy(update={"metadata": metadata})

    def as_dict(self) -> dict[str, Any]:
        """JSON-serialisable form."""
        document = self.document
        return {
            "rank": self.rank,
            "score": self.score,
            "id": document.id,
            "text": document.page_content,
            "metadata": document.metadata,
        }


@dataclass(frozen=True, slots=True)
class AddReport:
    """What an `add` did.

    Attributes:
        added: ids of the chunks that are new or have another text, in the order given.
        unchanged: how many chunks were there already, or came twice; their place and metadata are as given now.
        removed: how many chunks of replaced documents are gone.
        embedded: how many texts went through the embedder (a known chunk keeps its vector).
        cut: ids of the chunks that are longer than what the embedder reads: their vectors say nothing of the end (BM25
            sees all of it); empty, too, where the embedder has no tokenizer to count with.
        seconds: wall time by stage: `embed`, `store`, `lexical`, `dense`.
    """

    added: tuple[str, ...]
    unchanged: int
    removed: int
    embedded: int
    cut: tuple[str, ...]
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class AddProgress:
    """Told to `on_progress` after every commit: these chunks survive a power cut now.

    Attributes:
        ids: of the chunks that this commit acknowledged.
        done: chunks acknowledged so far.
        total: chunks given, or None when they come from an iterator.
    """

    ids: tuple[str, ...]
    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class CorpusStats:
    """Counts, sizes and settings of a corpus; `generation` counts its writes."""

    path: str
    sources: int
    chunks: int
    generation: int
    language: str
    embedder: Fingerprint | None
    bytes_on_disk: int


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What a repair did.

    Attributes:
        chunks: how many there are.
        reembedded: whether the vectors were made again.
        cut: of how many chunks the embedder read only the beginning then; ingest again, and they are split to fit.
        inconsistencies: what differs between database and indexes; empty when they agree now.
    """

    chunks: int
    reembedded: bool
    cut: int
    inconsistencies: tuple[str, ...]


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
