"""A stretch of a text."""

from __future__ import annotations

from typing import NamedTuple


class Span(NamedTuple):
    """Code points `[start:end]` of a text; false where it is empty."""

    start: int
    end: int

    def __bool__(self) -> bool:
        """Whether there is anything in it."""
        return self.start < self.end


def trimmed(text: str, start: int, end: int) -> Span:
    """`[start:end]` without the white space around what stands there."""
    part = text[start:end]
    start += len(part) - len(part.lstrip())
    return Span(start, start + len(part.strip()))
