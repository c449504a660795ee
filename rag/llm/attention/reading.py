"""What one read of attention is asked for, as a value that travels from the engine to the cells of the cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from ..errors import ContextOverflow, ModelError
from ..weights import Weights
from .document_kv import DocumentKV
from .flash import Head
from .reading_context import MAX_SEQUENCES
from .tails import TAILS, evaluated

MAX_TAILS = MAX_SEQUENCES - TAILS

Tokens = Sequence[int]


@dataclass(frozen=True, slots=True)
class Reading:
    """Documents, and tails that look at them. A tail sees the preamble, all documents and itself, not the other tails.

    Attributes:
        documents: their tokens.
        tails: their tokens, such as a query and a content-free one; at most `MAX_TAILS`.
        preamble: tokens before the documents.
        heads: which heads to report; None: all of the layers that are read.
        layers: read the first ones only; None: as many as `heads` need, else all.
        independent: evaluate each document on its own after the preamble instead of in one sequence.
        cache: where the KV of independent documents is kept.
    """

    documents: Sequence[Tokens]
    tails: Sequence[Tokens]
    preamble: Tokens = ()
    heads: Sequence[Head] | None = None
    layers: int | None = None
    independent: bool = False
    cache: DocumentKV | None = None

    @property
    def spans(self) -> tuple[slice, ...]:
        """Where each document's tokens are among those of all documents."""
        ends = accumulate(map(len, self.documents))
        return tuple(slice(end - len(document), end) for end, document in zip(ends, self.documents, strict=True))

    def check(self, weights: Weights, *, n_ctx: int) -> None:
        """Whether a context of `n_ctx` tokens can take it.

        Raises:
            ContextOverflow: all this does not fit.
            ModelError: there is no document or no tail, one is empty or has an unknown token, there are too many tails,
                or there is a cache for documents that are not independent.
        """
        if self.cache is not None and not self.independent:
            raise ModelError("a cache keeps documents that were evaluated on their own; set independent=True")
        for what, parts in (("document", self.documents), ("tail", self.tails)):
            if not parts:
                raise ModelError(f"there is no {what} to read")
            if (empty := next((at for at, part in enumerate(parts) if not part), None)) is not None:
                raise ModelError(f"{what} {empty} is empty; leave it out")
        if len(self.tails) > MAX_TAILS:
            raise ModelError(f"{len(self.tails)} tails are too many; read at most {MAX_TAILS} at once")
        known = weights.n_vocab
        for part in (self.preamble, *self.documents, *self.tails):
            if part and not 0 <= min(part) <= max(part) < known:
                raise ModelError(f"a token is out of range; the vocabulary has 0 to {known - 1}")
        lengths = [len(document) for document in self.documents]
        cells = len(self.preamble) + sum(lengths) + evaluated(self.tails)
        if cells > n_ctx:
            raise ContextOverflow(cells, n_ctx, "what is read")
        positions = len(self.preamble) + (max if self.independent else sum)(lengths) + max(map(len, self.tails))
        if positions > weights.trained_context:
            raise ContextOverflow(positions, weights.trained_context, "what is read at once")
