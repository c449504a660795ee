"""Answers, and what they rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from langchain_core.documents import Document

from ...stores.types import context_line, headings_of

UNKNOWN = "I don't know: nothing that I found clearly answers this."

How = Literal["cited", "grounded", "quoted", "unknown"]


@dataclass(frozen=True, slots=True)
class Citation:
    """A place in a document: `text` is exactly `source.text[start:end]`.

    Attributes:
        source_id: key of the source in its corpus.
        source: what a reader knows it by: a path, a URL, a name.
        title: the document's title.
        heading: the headings it stands under, outermost first.
        start: offset of its first character in the source's stored text.
        end: offset after its last character.
        text: the words themselves.
        page: page in a PDF, from 1.
    """

    source_id: str
    source: str
    title: str
    heading: tuple[str, ...]
    start: int
    end: int
    text: str
    page: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "heading", tuple(self.heading))  # checkpoints give lists back

    @classmethod
    def of(cls, document: Document, start: int = 0, end: int | None = None) -> Citation:
        """Cite `page_content[start:end]` of a chunk, with the offsets of its source."""
        text = document.page_content[start:end]
        metadata = document.metadata
        offset = metadata.get("start")
        begin = (offset if isinstance(offset, int) else 0) + start
        name = str(metadata.get("source") or metadata.get("source_id") or document.id or "")
        page = metadata.get("page")
        return cls(
            source_id=str(metadata.get("source_id") or name),
            source=name,
            title=str(metadata.get("title") or ""),
            heading=headings_of(document),
            start=begin,
            end=begin + len(text),
            text=text,
            page=page if isinstance(page, int) else None,
        )

    @property
    def under(self) -> str:
        """Title and headings in one line."""
        return context_line(self.title, self.heading)

    @property
    def words(self) -> str:
        """The words themselves, after those they stand under."""
        return " ".join([self.title, *self.heading, self.text])


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence of an answer, or a passage that is quoted in full.

    Attributes:
        text: its words, without markers; those of a whole passage keep their lines.
        citations: numbers of the answer's citations that it rests on, from 1.
        support: how well those citations carry it, 0 to 1; None where nobody checked.
    """

    text: str
    citations: tuple[int, ...] = ()
    support: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "citations", tuple(self.citations))

    def __str__(self) -> str:
        return " ".join([self.text, *(f"[{number}]" for number in self.citations)])


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reader is told.

    Attributes:
        question: what was asked.
        statements: the answer, sentence by sentence.
        citations: what the statements refer to by number, from 1.
        how: `cited` by the LLM and unchecked, `grounded` after checking, `quoted` word for word, or `unknown`.
        confidence: how sure the path that made it is that the documents answer the question, 0 to 1.
        notes: what the reader should know about how it came about.
        dropped: sentences that were left out because nothing supported them.
        usage: tokens of the LLM: `input_tokens`, `output_tokens`; and `documents`: how many it was given at once.
    """

    question: str
    statements: tuple[Statement, ...]
    citations: tuple[Citation, ...]
    how: How
    confidence: float | None = None
    notes: tuple[str, ...] = ()
    dropped: tuple[Statement, ...] = ()
    usage: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("statements", "citations", "notes", "dropped"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def text(self) -> str:
        """The answer with its `[n]` markers, or that there is none."""
        between = "\n\n" if any("\n" in statement.text for statement in self.statements) else " "
        return between.join(map(str, self.statements)) or UNKNOWN

    @property
    def known(self) -> bool:
        """Whether there is an answer."""
        return self.how != "unknown"

    def __str__(self) -> str:
        return self.text

    def as_dict(self) -> dict[str, Any]:
        """JSON-serialisable form."""
        from dataclasses import asdict

        return {"answer": self.text, **asdict(self)}


def unknown(
    question: str, *notes: str, confidence: float | None = None, usage: Mapping[str, int] | None = None
) -> Answer:
    """The honest answer when there is none."""
    return Answer(question, (), (), "unknown", confidence, notes, usage=usage or {})


class Claim(NamedTuple):
    """A sentence or passage on its way into an answer: its words, the places that carry it, and how well, 0 to 1."""

    text: str
    citations: Sequence[Citation]
    support: float | None


def cite_all(claims: Sequence[Claim]) -> tuple[tuple[Statement, ...], tuple[Citation, ...]]:
    """Number the citations of claims in order of appearance; equal places share a number."""
    numbers: dict[Citation, int] = {}
    statements = []
    for claim in claims:
        own = dict.fromkeys(numbers.setdefault(citation, len(numbers) + 1) for citation in claim.citations)
        statements.append(Statement(claim.text, tuple(own), claim.support))
    return tuple(statements), tuple(numbers)
