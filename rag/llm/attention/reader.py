"""A second context over loaded weights that only reads: documents and queries go in, attention comes out.

`DocumentCells` evaluates the documents, `attend` the tails.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from typing import Any

from ..errors import AttentionUnavailable, ContextOverflow, ModelError
from ..weights import Weights
from .document_cells import DocumentCells
from .document_kv import DocumentKV
from .flash import Attention, Head
from .plan import Plan
from .probe import probe
from .reading_context import MAX_SEQUENCES, ReadingContext
from .tails import TAILS, attend

_BATCH = 256  # tokens evaluated at once; one sequence of 3,170 took 24 s of CPU, 27 s at 128, 29 s at 512

MAX_TAILS = MAX_SEQUENCES - TAILS


class Reader:
    """Reads the attention of one model. For one thread only, and closed before the weights are.

    ```python
    from ragloom.rag.llm.models import find_model
    from ragloom.rag.llm.attention.reader import Reader
    from ragloom.rag.llm.weights import Weights

    weights = Weights(find_model("embedded").path)
    reader = Reader(weights, n_ctx=512, threads=2)
    documents = [weights.tokenize(text) for text in ("Cats purr.", "Rain is wet.")]
    tails = [weights.tokenize(f" Query: {query}") for query in ("What do cats do?", "N/A")]
    attention = reader.read(documents, tails, independent=True)
    real, empty = attention.sums().sum(axis=1)
    print((real - empty).argmax())  # -> 0
    reader.close()
    weights.close()
    ```
    """

    def __init__(self, weights: Weights, *, n_ctx: int, threads: int) -> None:
        """Reserve room for `n_ctx` tokens of documents and tails together, and look whether attention can be read.

        Raises:
            AttentionUnavailable: the model has no attention that can be read, or the memory does not suffice.
        """
        self.n_ctx = n_ctx
        self._weights = weights
        self._closed = False
        try:
            self._context = ReadingContext(weights, n_ctx=n_ctx, threads=threads, batch=_BATCH)
            try:
                self._layout = probe(weights, self._context)
            except BaseException:
                self._context.close()
                raise
        except ModelError as error:
            raise AttentionUnavailable(weights.path.name, str(error)) from error
        self._documents = DocumentCells(weights, self._context, n_ctx=n_ctx)

    @property
    def heads(self) -> tuple[Head, ...]:
        """All heads of the model, as `read` reports them by default."""
        return Plan.of(self._layout, None, None).heads

    @property
    def layers(self) -> int:
        """How many layers the model has."""
        return len(self._layout.heads)

    @property
    def stops_early(self) -> bool:
        """Whether fewer layers are less work; where not, all are evaluated whatever is asked for."""
        return self._layout.stops

    def read(  # noqa: PLR0913 - all but two have a default
        self,
        documents: Sequence[Sequence[int]],
        tails: Sequence[Sequence[int]],
        *,
        preamble: Sequence[int] = (),
        heads: Sequence[Head] | None = None,
        layers: int | None = None,
        independent: bool = False,
        cache: DocumentKV | None = None,
    ) -> Attention:
        """Evaluate the documents once and each tail after them; return the tails' attention to the documents.

        A tail sees the preamble, all documents and itself, not the other tails.

        Args:
            documents: their tokens.
            tails: their tokens, such as a query and a content-free one; at most `MAX_TAILS`.
            preamble: tokens before the documents.
            heads: which heads to report; default: all of the layers that are read.
            layers: read the first ones only; default: as many as `heads` need, else all.
            independent: evaluate each document on its own after the preamble instead of in one sequence.
            cache: where the KV of independent documents is kept.

        Raises:
            ContextOverflow: all this does not fit; nothing was evaluated.
            ModelError: a document or tail is empty or has an unknown token, there are no such heads or layers, the
                reader was closed, or llama.cpp failed.
        """
        if self._closed:
            raise ModelError("the reader was closed; make another one")
        plan = Plan.of(self._layout, heads, layers)
        if cache is not None and not independent:
            raise ModelError("a cache keeps documents that were evaluated on their own; set independent=True")
        self._check(preamble, documents, tails, independent)
        placed = self._documents.place(documents, preamble, plan, independent=independent, cache=cache)
        weights = attend(self._context, placed, tails, plan)
        ends = accumulate(map(len, documents))
        spans = tuple(slice(end - len(document), end) for end, document in zip(ends, documents, strict=True))
        evaluated = placed.evaluated + sum(map(len, tails))
        return Attention(weights, plan.heads, spans, evaluated, placed.reused)

    def close(self) -> None:
        """Free the memory; a second call does nothing."""
        self._closed = True
        self._context.close()

    def _check(
        self,
        preamble: Sequence[int],
        documents: Sequence[Sequence[int]],
        tails: Sequence[Sequence[int]],
        independent: bool,
    ) -> None:
        for what, parts in (("document", documents), ("tail", tails)):
            if not parts:
                raise ModelError(f"there is no {what} to read")
            if (empty := next((at for at, part in enumerate(parts) if not part), None)) is not None:
                raise ModelError(f"{what} {empty} is empty; leave it out")
        if len(tails) > MAX_TAILS:
            raise ModelError(f"{len(tails)} tails are too many; read at most {MAX_TAILS} at once")
        known = self._weights.n_vocab
        for part in (preamble, *documents, *tails):
            if part and not 0 <= min(part) <= max(part) < known:
                raise ModelError(f"a token is out of range; the vocabulary has 0 to {known - 1}")
        lengths = [len(document) for document in documents]
        cells = len(preamble) + sum(lengths) + sum(map(len, tails))
        if cells > self.n_ctx:
            raise ContextOverflow(cells, self.n_ctx, "what is read")
        positions = len(preamble) + (max(lengths) if independent else sum(lengths)) + max(map(len, tails))
        if positions > self._weights.trained_context:
            raise ContextOverflow(positions, self._weights.trained_context, "what is read at once")


class LazyReader:
    """A `Reader` that is made when something is read: its context takes as much memory as the one that generates.

    Whether there is attention to read is found out then, and only once. For one thread only, as `Reader`.
    """

    def __init__(self, weights: Weights, *, n_ctx: int, threads: int) -> None:
        """Remember what to make a `Reader` of."""
        self._make = partial(Reader, weights, n_ctx=n_ctx, threads=threads)
        self._made: Reader | AttentionUnavailable | None = None

    def check(self) -> None:
        """Find out whether there is attention to read.

        Raises:
            AttentionUnavailable: the model has none that can be read, or the memory does not suffice.
        """
        self._reader()

    def read(self, *parts: Any, **options: Any) -> Attention:
        """Read as `Reader.read` does.

        Raises:
            AttentionUnavailable: the model has none that can be read, or the memory does not suffice.
        """
        return self._reader().read(*parts, **options)

    def _reader(self) -> Reader:
        if self._made is None:
            try:
                self._made = self._make()
            except AttentionUnavailable as error:
                self._made = error
        if isinstance(self._made, AttentionUnavailable):
            raise self._made
        return self._made

    def close(self) -> None:
        """Free what was made."""
        if isinstance(self._made, Reader):
            self._made.close()
