"""What of a text is kept or left out as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..ingest.sentences import sentences
from ..ingest.span import Span, trimmed

_MARK = re.compile(r"(?:(?<=\s)|\A)(?:[-*+>]|\d{1,3}[.)])(?:[ \t]+\[[ xX]\])?\Z")
"""What stands before an item of a list, or a quotation, in Markdown."""


def units(text: str, language: str) -> Iterator[Span]:
    """The sentences, and what stands between them: code, tables, headings. The mark of a list belongs to its item."""
    end = 0
    for sentence in [*sentences(text, language=language), Span(len(text), len(text))]:
        between = trimmed(text, end, sentence.start)
        mark = _MARK.search(text, between.start, between.end) if sentence.start < sentence.end else None
        if mark:
            between = trimmed(text, between.start, mark.start())
        if between.start < between.end:
            yield between
        if sentence.start < sentence.end:
            yield Span(mark.start() if mark else sentence.start, sentence.end)
        end = sentence.end
