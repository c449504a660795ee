"""What of a text is kept or left out as a whole."""

from __future__ import annotations

from collections.abc import Iterator

from ..ingest.sentences import sentences
from ..ingest.span import Span, trimmed


def units(text: str, language: str) -> Iterator[Span]:
    """The sentences, and what stands between them: code, tables, headings."""
    end = 0
    for sentence in [*sentences(text, language=language), Span(len(text), len(text))]:
        between = trimmed(text, end, sentence.start)
        if between.start < between.end:
            yield between
        if sentence.start < sentence.end:
            yield sentence
        end = sentence.end
