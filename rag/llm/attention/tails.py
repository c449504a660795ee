"""The tails of a read: evaluated as sequences of one batch on the same documents, with the tap open.

What all tails begin with, such as the instruction before the query, belongs to all of their sequences.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .blas import one_thread
from .flash import FlashAttention
from .ggml import Tensor
from .plan import Plan
from .reading_context import MAX_SEQUENCES, ReadingContext, Run

TAILS = 3
"""Number of the first tail's sequence; it sees the documents before any tail does."""

_TILE = 64
"""Rows that llama.cpp's flash attention computes at once on a CPU; so many take less time than 45 one by one."""

_MOST_FILLED = 20
"""How many of them may be there for nothing."""


@dataclass(slots=True)
class Placed:
    """Documents in the cells of the cache, in the order in which they were given.

    Attributes:
        first: cell of the first document's first token.
        end: cell after the last document's last token.
        position: position of a token that follows the documents.
        evaluated: tokens that were evaluated.
        reused: tokens whose KV was there.
    """

    first: int
    end: int
    position: int = 0
    evaluated: int = 0
    reused: int = 0


def attend(context: ReadingContext, placed: Placed, tails: Sequence[Sequence[int]], plan: Plan) -> NDArray[np.float32]:
    """Evaluate the tails after the documents; their attention to these, `[n_tails, n_heads, n_tokens]`, read-only.

    Raises:
        ModelError: llama.cpp failed.
    """
    every = [*tails, *_filler(tails, room=context.n_ctx - placed.end)]
    for at in range(1, len(every)):
        context.share(TAILS, TAILS + at)
    weights = np.zeros((len(every), len(plan.heads), placed.end - placed.first), np.float32)
    cells = placed.end
    for parts in _batches(_parts(every, len(tails)), context.batch):
        cells += sum(part.length for part in parts)
        _attend_together(context, placed, every, plan, _Batch(parts, cells, weights))
    weights.flags.writeable = False
    return weights[: len(tails)]


def evaluated(tails: Sequence[Sequence[int]]) -> int:
    """How many tokens of the tails are evaluated, but for a filler: what all of them begin with is evaluated once."""
    return sum(map(len, tails)) - (len(tails) - 1) * _beginning(tails)


@dataclass(frozen=True, slots=True)
class _Part:
    """Tokens `[start, stop)` of some tails, which are the same in all of these."""

    tails: range
    start: int
    stop: int

    @property
    def length(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class _Batch:
    parts: list[_Part]
    cells: int
    weights: NDArray[np.float32]


def _attend_together(
    context: ReadingContext, placed: Placed, tails: Sequence[Sequence[int]], plan: Plan, batch: _Batch
) -> None:
    runs = [_run(part, tails, placed.position) for part in batch.parts]
    ends = list(accumulate(part.length for part in batch.parts))
    rows = [slice(end - part.length, end) for end, part in zip(ends, batch.parts, strict=True)]

    def visit(layer: int, output: Tensor) -> None:
        attention = FlashAttention(output)
        if attention.tokens != ends[-1]:
            raise ModelError(f"llama.cpp evaluated {ends[-1]} tokens of the tails {attention.tokens} at a time")
        places, heads = plan.in_layer(layer)
        means = attention.averages(heads, rows, batch.cells, slice(placed.first, placed.end))
        for part, mean in zip(batch.parts, means, strict=True):
            for tail in part.tails:
                batch.weights[tail, places] += mean * np.float32(part.length / len(tails[tail]))

    layers = {head.layer for head in plan.heads}
    with one_thread:
        context.evaluate_together(runs, last=plan.last, visit=visit, layers=layers)


def _run(part: _Part, tails: Sequence[Sequence[int]], position: int) -> Run:
    first, *others = (TAILS + tail for tail in part.tails)
    return Run(first, position + part.start, tails[part.tails[0]][part.start : part.stop], others)


def _filler(tails: Sequence[Sequence[int]], *, room: int) -> list[list[int]]:
    """A tail that nobody needs, where the others have fewer tokens than a tile but more than are faster without."""
    missing = _TILE - evaluated(tails)
    most = min(_MOST_FILLED, max(map(len, tails)))  # so that it goes no further than a tail does
    if 0 < missing <= most and room >= _TILE and TAILS + len(tails) < MAX_SEQUENCES:
        return [[tails[0][0]] * missing]
    return []


def _beginning(tails: Sequence[Sequence[int]]) -> int:
    """How many tokens all tails begin with, where there are several; each has at least one of its own."""
    if len(tails) < 2:
        return 0
    own = (at for at, tokens in enumerate(zip(*tails, strict=False)) if len(set(tokens)) > 1)
    shortest = min(map(len, tails))
    return min(next(own, shortest), shortest - 1)


def _parts(tails: Sequence[Sequence[int]], number: int) -> Iterator[_Part]:
    """What the first `number` tails begin with, then the rest of each, then the others."""
    shared = _beginning(tails[:number])
    if shared:
        yield _Part(range(number), 0, shared)
    for at, tail in enumerate(tails):
        yield _Part(range(at, at + 1), shared if at < number else 0, len(tail))


def _batches(parts: Iterator[_Part], size: int) -> Iterator[list[_Part]]:
    """Cut the parts into batches of at most `size` tokens; mostly all of them are one."""
    batch: list[_Part] = []
    room = size
    for part in parts:
        start = part.start
        while start < part.stop:
            stop = min(start + room, part.stop)
            batch.append(_Part(part.tails, start, stop))
            room -= stop - start
            start = stop
            if not room:
                yield batch
                batch, room = [], size
    if batch:
        yield batch
