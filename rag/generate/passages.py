"""Numbered passages: what an LLM gets to read, packed to a budget of tokens that is never exceeded silently."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langchain_core.documents import Document

from .errors import PassageTooLongError
from .types import Citation

_NUMBERED = re.compile(
    r"(?:^\s*|(?<=[.!?。！？।])\s*|(?<=[,;:，、；：]))\[\d[\d\s,]*\](?:\s*\[\d[\d\s,]*\])*", re.MULTILINE
)
_ROUND = str.maketrans("[]", "()")


@dataclass(frozen=True, slots=True)
class Packed:
    """Documents that fit.

    Attributes:
        documents: those that fit, in the order given; number n of a marker `[n]` is `documents[n - 1]`.
        text: the passages as the prompt shows them.
        tokens: what `text` costs.
        left_out: documents that did not fit.
    """

    documents: tuple[Document, ...]
    text: str
    tokens: int
    left_out: tuple[Document, ...]


def pack(
    documents: Sequence[Document], count_tokens: Callable[[str], int], budget: float, *, room: float = 0
) -> Packed:
    """Take documents, whole and in order, while they fit into `budget` tokens; what does not fit is reported.

    The first one is taken alone if it fits into `room` tokens, where that is more.

    Raises:
        PassageTooLongError: not even the first document fits; both numbers are in the message.
    """
    room = max(budget, room)
    taken: list[Document] = []
    blocks: list[str] = []
    used = 0
    for document in documents:
        block = _block(len(taken) + 1, document)
        cost = count_tokens(block + "\n\n")
        if used + cost > (budget if taken else room):
            break
        taken.append(document)
        blocks.append(block)
        used += cost
    if documents and not taken:
        need = count_tokens(_block(1, documents[0]))
        raise PassageTooLongError(f"the first passage has {need} tokens, but only {room} are free; use smaller chunks")
    return Packed(tuple(taken), "\n\n".join(blocks), used, tuple(documents[len(taken) :]))


def _block(number: int, document: Document) -> str:
    """The passage under its number; numbers that begin a line of it, or follow a sentence, could pass for others."""
    under, text = (
        _NUMBERED.sub(lambda numbers: numbers[0].translate(_ROUND), each)
        for each in (Citation.of(document).under, document.page_content)
    )
    return f"[{number}] {under}\n{text}" if under else f"[{number}] {text}"
