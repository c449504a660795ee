"""The tails of a read: evaluated as sequences of one batch on the same documents, with the tap open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .flash import FlashAttention
from .ggml import Tensor
from .plan import Plan
from .reading_context import ReadingContext, Run

TAILS = 3
"""Number of the first tail's sequence; it sees the documents before any tail does."""


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
    for at in range(1, len(tails)):
        context.share(TAILS, TAILS + at)
    weights = np.zeros((len(tails), len(plan.heads), placed.end - placed.first), np.float32)
    cells = placed.end
    for parts in _batches(tails, context.batch):
        cells += sum(part.stop - part.start for _, part in parts)
        _attend_together(context, placed, tails, plan, _Batch(parts, cells, weights))
    weights.flags.writeable = False
    return weights


@dataclass(frozen=True, slots=True)
class _Batch:
    parts: list[tuple[int, slice]]
    cells: int
    weights: NDArray[np.float32]


def _attend_together(
    context: ReadingContext, placed: Placed, tails: Sequence[Sequence[int]], plan: Plan, batch: _Batch
) -> None:
    runs = [Run(TAILS + tail, placed.position + part.start, tails[tail][part]) for tail, part in batch.parts]
    ends = list(accumulate(len(run.tokens) for run in runs))
    rows = [slice(end - len(run.tokens), end) for end, run in zip(ends, runs, strict=True)]

    def visit(layer: int, output: Tensor) -> None:
        attention = FlashAttention(output)
        if attention.tokens != ends[-1]:
            raise ModelError(f"llama.cpp evaluated {ends[-1]} tokens of the tails {attention.tokens} at a time")
        places, heads = plan.in_layer(layer)
        means = attention.averages(heads, rows, batch.cells, slice(placed.first, placed.end))
        for (tail, part), mean in zip(batch.parts, means, strict=True):
            batch.weights[tail, places] += mean * np.float32((part.stop - part.start) / len(tails[tail]))

    layers = {head.layer for head in plan.heads}
    context.evaluate_together(runs, last=plan.last, visit=visit, layers=layers)


def _batches(tails: Sequence[Sequence[int]], size: int) -> Iterator[list[tuple[int, slice]]]:
    """Cut the tails into batches of at most `size` tokens; mostly all of them are one."""
    parts: list[tuple[int, slice]] = []
    room = size
    for at, tail in enumerate(tails):
        start = 0
        while start < len(tail):
            stop = min(start + room, len(tail))
            parts.append((at, slice(start, stop)))
            room -= stop - start
            start = stop
            if not room:
                yield parts
                parts, room = [], size
    if parts:
        yield parts
