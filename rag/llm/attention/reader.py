"""A second context over loaded weights that only reads: documents and queries go in, attention comes out.

`DocumentCells` evaluates the documents, `attend` the tails.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack

from ..cpu import multiplies_bfloat16
from ..errors import AttentionUnavailable, Cancelled, DeadlineExceeded, EngineClosed, ModelError
from ..models import ModelFile
from ..quantize import for_reading
from ..weights import Weights
from .document_cells import DocumentCells
from .flash import Attention, Head
from .plan import Plan
from .probe import probe
from .reading import Reading
from .reading_context import ReadingContext
from .tails import attend, evaluated
from .tap import Interrupt

_log = logging.getLogger(__name__)

_BATCH = 256
"""Tokens evaluated at once. One sequence of 3,170 took 24 s of a CPU with AVX2, 27 s at 128, 29 s at 512."""

_WIDE_BATCH = 512
"""The same for a CPU with AVX-512, where 3,012 tokens took 8.5 s, 9.6 s at 256, 10.3 s at 128."""


class Reader:
    """Reads the attention of one model. For one thread only, and closed before the weights are.

    ```python
    from ragloom.rag.llm.models import find_model
    from ragloom.rag.llm.attention.reader import Reader
    from ragloom.rag.llm.attention.reading import Reading
    from ragloom.rag.llm.weights import Weights

    weights = Weights(find_model("embedded").path)
    reader = Reader(weights, n_ctx=512, threads=2)
    documents = [weights.tokenize(text) for text in ("Cats purr.", "Rain is wet.")]
    tails = [weights.tokenize(f" Query: {query}") for query in ("What do cats do?", "N/A")]
    attention = reader.read(Reading(documents, tails, independent=True))
    real, empty = attention.sums().sum(axis=1)
    print((real - empty).argmax())  # -> 0
    reader.close()
    weights.close()
    ```
    """

    def __init__(self, weights: Weights, *, n_ctx: int, threads: int, interrupt: Interrupt | None = None) -> None:
        """Reserve room for `n_ctx` tokens of documents and tails together, and look whether attention can be read.

        What `interrupt` raises, which is called at every layer, ends that.

        Raises:
            AttentionUnavailable: the model has no attention that can be read, or the memory does not suffice.
        """
        self.n_ctx = n_ctx
        self._weights = weights
        self._closed = False
        try:
            batch = _WIDE_BATCH if multiplies_bfloat16() else _BATCH
            self._context = ReadingContext(weights, n_ctx=n_ctx, threads=threads, batch=batch)
        except ModelError as error:
            raise AttentionUnavailable(weights.path.name, str(error)) from error
        try:
            with self._context.tap.until(interrupt):
                self._layout = probe(weights, self._context)
        except BaseException as error:
            self._context.close()
            if isinstance(error, ModelError) and not isinstance(error, Cancelled | DeadlineExceeded | EngineClosed):
                raise AttentionUnavailable(weights.path.name, str(error), always=True) from error
            raise
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

    def read(self, reading: Reading, interrupt: Interrupt | None = None) -> Attention:
        """Evaluate the documents once and each tail after them; return the tails' attention to the documents.

        Args:
            reading: what to read.
            interrupt: called at every layer; what it raises ends the read.

        Raises:
            ContextOverflow: all this does not fit; nothing was evaluated.
            ModelError: a document or tail is empty or has an unknown token, there are no such heads or layers, the
                reader was closed, or llama.cpp failed.
        """
        if self._closed:
            raise ModelError("the reader was closed; make another one")
        plan = Plan.of(self._layout, reading.heads, reading.layers)
        reading.check(self._weights, n_ctx=self.n_ctx)
        with self._context.tap.until(interrupt):
            placed = self._documents.place(reading, plan)
            weights = attend(self._context, placed, reading.tails, plan)
        tokens = placed.evaluated + evaluated(reading.tails)
        return Attention(weights, plan.heads, reading.spans, tokens, placed.reused)

    def close(self) -> None:
        """Free the memory; a second call does nothing."""
        self._closed = True
        self._context.close()


class LazyReader:
    """A `Reader` that is made when something is read: its context takes as much memory as the one that generates.

    On a CPU it may load the model a second time, in a form that is read faster; see `for_reading`. Whether there is
    attention to read is found out then, too. What the model says holds for ever, a lack of memory does not: the next
    call tries again. For one thread only, as `Reader`.
    """

    def __init__(self, file: ModelFile, weights: Weights, *, n_ctx: int, threads: int) -> None:
        """Remember what to make a `Reader` of: the `weights`, which were loaded from `file`."""
        self._file, self._weights = file, weights
        self._n_ctx, self._threads = n_ctx, threads
        self._made = ExitStack()
        self._reader: Reader | None = None
        self._reason: str | None = None

    def check(self, interrupt: Interrupt | None = None) -> None:
        """Find out whether there is attention to read.

        Raises:
            AttentionUnavailable: the model has none that can be read, or the memory does not suffice.
        """
        self._make(interrupt)

    def read(self, reading: Reading, interrupt: Interrupt | None = None) -> Attention:
        """Read as `Reader.read` does.

        Raises:
            AttentionUnavailable: the model has none that can be read, or the memory does not suffice.
        """
        return self._make(interrupt).read(reading, interrupt)

    def _make(self, interrupt: Interrupt | None) -> Reader:
        if self._reason is not None:
            raise AttentionUnavailable(self._file.path.name, self._reason, always=True)
        if self._reader is None:
            try:
                with ExitStack() as undo:
                    weights = self._faster(undo)
                    reader = Reader(weights, n_ctx=self._n_ctx, threads=self._threads, interrupt=interrupt)
                    undo.callback(reader.close)
                    self._made = undo.pop_all()
            except AttentionUnavailable as error:
                self._reason = error.reason if error.always else None
                raise
            self._reader = reader
        return self._reader

    def _faster(self, undo: ExitStack) -> Weights:
        """The weights, or the same in another form, which `undo` frees."""
        file = for_reading(self._file) if self._weights.device == "CPU" else self._file
        if file == self._file:
            return self._weights
        try:
            weights = Weights(file.path)
        except ModelError as error:
            _log.warning("reading attention more slowly: %s", error)
            return self._weights
        undo.callback(weights.close)
        return weights

    def close(self) -> None:
        """Free what was made."""
        self._made.close()
