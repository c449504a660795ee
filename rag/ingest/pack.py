"""Pack a text into pieces of limited size, cut where a reader would cut it.

A piece may begin at a block, a list item or a sentence. Of all ways to cut, the one with the least cost is taken
(dynamic programming, linear in the text for a given size): every piece costs the square of the room it leaves unused,
so pieces come out few and even, and every cut costs more the more it tears apart: nothing between blocks, most between
a lead-in that ends in a colon and what it leads to. Only a sentence or a code block that is larger than a piece is cut
inside, by `semantic-text-splitter`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

from semantic_text_splitter import TextSplitter

from .sentences import segment
from .span import Span, trimmed
from .structure import blocks

_WINDOW = 16384
_BETWEEN_ITEMS = 0.05
_BETWEEN_SENTENCES = 0.2
_AFTER_LEAD_IN = 0.6

Count = Callable[[str], int]


class _Atom(NamedTuple):
    """What is not cut further: a span, its tokens, and what it costs to begin a piece with it."""

    start: int
    end: int
    tokens: int
    cut: float


def pack(text: str, capacity: int, count: Count, language: str = "en") -> list[Span]:
    """Cut `text` into pieces of at most `capacity` tokens as `count` counts them; nothing but white space is lost."""
    atoms = list(_atoms(text, capacity, count, language))
    pieces = [Span(atoms[first].start, atoms[last].end) for first, last in _cheapest(atoms, capacity)]
    return [part for piece in pieces for part in _fitting(text, piece, capacity, count)]


def _atoms(text: str, capacity: int, count: Count, language: str) -> Iterator[_Atom]:
    costs: dict[int, float] = {}
    for block in blocks(text):
        costs.setdefault(block.start, _BETWEEN_ITEMS if block.nested else 0.0)
        costs.update((sentence.start, _BETWEEN_SENTENCES) for sentence in segment(block.paragraph, language)[1:])
    led_in = False
    for start, end in pairwise([0, *sorted(costs.keys() - {0}), len(text)]):
        cost = _AFTER_LEAD_IN if led_in else costs.get(start, 0.0)
        for piece in _fitting(text, trimmed(text, start, end), capacity, count):
            words = text[piece.start : piece.end]
            yield _Atom(*piece, count(words), cost)
            cost = _BETWEEN_SENTENCES
            led_in = words.endswith((":", "："))


def _fitting(text: str, piece: Span, capacity: int, count: Count) -> list[Span]:
    """The piece, cut further if it exceeds the capacity: too long a sentence, or tokens that don't add up."""
    words = text[piece.start : piece.end]
    if not words:
        return []
    if count(words) <= capacity:
        return [piece]
    splitter = TextSplitter.from_callback(count, capacity)
    return [
        Span(piece.start + at + start, piece.start + at + start + len(part))
        for at, window in _windows(words)
        for start, part in splitter.chunk_indices(window)
    ]


def _windows(words: str) -> Iterator[tuple[int, str]]:
    """Stretches that end at white space if they can: the splitter's time grows with the square of a text's length."""
    at = 0
    while at < len(words):
        end = at + _WINDOW
        if end < len(words):
            end = max(words.rfind(" ", at, end), words.rfind("\n", at, end)) + 1 or end
        yield at, words[at:end]
        at = end


def _cheapest(atoms: list[_Atom], capacity: int) -> list[tuple[int, int]]:
    """The first and last atom of each piece of the cheapest packing."""
    best = [0.0]
    begins = [0]
    for after in range(1, len(atoms) + 1):
        tokens = 0
        options: list[tuple[float, int]] = []
        for first in range(after - 1, -1, -1):
            tokens += atoms[first].tokens
            if tokens > capacity and options:
                break
            unused = max(0.0, 1 - tokens / capacity)
            options.append((best[first] + unused * unused + (atoms[first].cut if first else 0.0), first))
        cost, first = min(options)
        best.append(cost)
        begins.append(first)
    cuts = [len(atoms)]
    while cuts[-1]:
        cuts.append(begins[cuts[-1]])
    return [(first, after - 1) for first, after in pairwise(reversed(cuts))]
