"""Which words of a passage drew the attention: a token's score is shared out to the word it is part of."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..ingest.sentences import UNSPACED
from .types import Highlight

_MARKS = "[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u102b-\u103e\u17b4-\u17d3\u3099\u309a]"
_WORD = re.compile(rf"{UNSPACED}{_MARKS}*|(?:(?!{UNSPACED})\S)+")
"""Where a script puts no spaces between words, each character is one, with the marks on it."""


def highlights(
    text: str, pieces: Sequence[bytes], scores: NDArray[np.float32], *, skipped: int = 0
) -> tuple[Highlight, ...]:
    """The words of `text` that were read, with the scores of their tokens, the highest first.

    Args:
        text: what the tokens stand for, after `skipped` bytes.
        pieces: the bytes of each token, in order; they may end before the text does.
        scores: one for each token.
        skipped: bytes of the first tokens that are not of the text.
    """
    ends = np.cumsum([len(piece) for piece in pieces]) - skipped
    starts = ends - [len(piece) for piece in pieces]
    by_byte = np.zeros(len(text.encode("utf-8", "replace")))
    for start, end, score in zip(starts, ends, scores, strict=True):
        if end > max(start, 0):
            by_byte[max(start, 0) : end] += score / (end - start)
    by_character = np.add.reduceat(by_byte, _byte_starts(text)) if text else by_byte
    read = int(np.searchsorted(_byte_starts(text), ends[-1])) if text and len(ends) else 0  # characters
    words = [(match.start(), match.end()) for match in _WORD.finditer(text) if match.start() < read]
    # The blank before a word is mostly part of its token.
    before = [0, *(end for _, end in words)][: len(words)]
    weighed = [
        Highlight(start, end, float(by_character[blank:end].sum()))
        for (start, end), blank in zip(words, before, strict=True)
    ]
    return tuple(sorted(weighed, key=lambda each: -each.weight))


def weight_of(words: Sequence[Highlight], start: int, end: int) -> float | None:
    """What the words of a stretch of text weigh together, each where it begins; None: no word of it was read."""
    own = [word.weight for word in words if start <= word.start < end]
    return sum(own) if own else None


def _byte_starts(text: str) -> NDArray[np.intp]:
    lengths = [len(character.encode("utf-8", "replace")) for character in text]
    return np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.intp)
