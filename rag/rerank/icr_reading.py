"""What ICR reads of a model: the attention of two tails, and the scores that come of it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..llm.attention.document_kv import DocumentKV
from ..llm.attention.flash import Attention, Head
from ..llm.engine import LlamaEngine
from .icr_prompt import IcrPrompt, PassageTokens
from .types import Passage

NOTHING = "N/A"
"""The query that asks for nothing, by which attention is calibrated."""

_OUTLIERS = 2  # standard deviations below the mean

Tokens = NDArray[np.float32]
"""The calibrated scores of a passage's tokens, `[n_tokens]`."""


@dataclass(frozen=True, slots=True)
class IcrReading:
    """The attention of a query and of `NOTHING` to some passages.

    Attributes:
        attention: of the two tails, in the order in which the passages stood in the prompt.
        parts: the passages' tokens, in the order in which they were given.
        places: where each of these stood in the prompt.
    """

    attention: Attention
    parts: tuple[PassageTokens, ...]
    places: tuple[int, ...]

    def tokens(self, heads: Sequence[Head] | None = None) -> list[Tokens]:
        """Calibrated scores of each passage's tokens, summed over `heads` (default: all that were read)."""
        rows = slice(None) if heads is None else [self.attention.heads.index(head) for head in heads]
        real, nothing = self.attention.weights[:, rows].sum(axis=1)
        calibrated = real - nothing
        return [calibrated[self.span(at)] for at in range(len(self.parts))]

    def span(self, at: int) -> slice:
        """Where the own tokens of a passage are among those of the documents."""
        start = self.attention.documents[self.places[at]].start
        return slice(start, start + self.parts[at].own)

    def scores(self, heads: Sequence[Head] | None = None) -> list[float]:
        """The score of each passage."""
        return [passage_score(tokens) for tokens in self.tokens(heads)]


def passage_score(tokens: Tokens) -> float:
    """The sum of a passage's calibrated tokens, without those far below their mean."""
    deviation = tokens.std(ddof=1) if len(tokens) > 1 else 0.0
    return float(tokens[tokens >= tokens.mean() - _OUTLIERS * deviation].sum())


def read_passages(  # noqa: PLR0913 - all but three have a default
    engine: LlamaEngine,
    prompt: IcrPrompt,
    query: str,
    passages: Sequence[Passage],
    *,
    heads: Sequence[Head] | None = None,
    layers: int | None = None,
    cache: DocumentKV | None = None,
    longest: int | None = None,
    cancelled: threading.Event | None = None,
) -> IcrReading:
    """Read passages, best candidate first, with a query.

    Args:
        engine: evaluates the model.
        prompt: what stands around the passages and the query.
        query: what is asked.
        passages: they stand in the prompt from the last to the first, so that the best candidate is next to the query.
        heads: which heads to read; None: all of the layers that are read.
        layers: read the first ones only; None: as many as the heads need.
        cache: read each passage on its own and keep its KV there. It has no number then, which would depend on the
            others, and its place says nothing; so that not even the last bits do, passages are put in the order of
            their tokens.
        longest: cut passages to so many tokens.
        cancelled: may be set from any thread when nobody waits any longer, which ends the read.

    Raises:
        AttentionUnavailable: the model has no attention that can be read.
        Cancelled: `cancelled` was set.
        ContextOverflow: they do not fit; nothing was evaluated.
    """
    last = len(passages)
    parts = [
        prompt.passage(passage, None if cache else last - place).cut(longest) for place, passage in enumerate(passages)
    ]
    order = sorted(range(last), key=lambda at: parts[at].tokens) if cache else range(last)[::-1]
    attention = engine.attention(
        [parts[at].tokens for at in order],
        [prompt.tail(query), prompt.tail(NOTHING)],
        preamble=prompt.preamble,
        heads=heads,
        layers=layers,
        independent=cache is not None,
        cache=cache,
        cancelled=cancelled,
    )
    places = sorted(range(last), key=lambda at: order[at])
    return IcrReading(attention, tuple(parts), tuple(places))
