"""Documents in the KV cache of a reader, in one of two ways.

Together: in one long sequence, as in-context reranking was published (Chen et al. 2025, "Attention in Large Language
Models Yields Efficient Zero-Shot Re-Rankers", ICLR 2025). Each document sees those before it, and the work grows with
the square of their length.

Apart: each on its own, at the same positions after a shared preamble. The work grows with their number, their order
does not matter, and their KV can be kept. Each is evaluated at the beginning of the cache, saved, and put back beside
the others at the end. That is faster than evaluating it in its place, where the others' cells are masked but not free,
and it gives the same numbers whatever else is read. Measured with 20 passages, 3,161 tokens in all, in seconds of one
CPU core: together 24, each in its place 17, each at the beginning 14.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence

import llama_cpp

from ..weights import Weights
from .document_kv import DocumentKV, States
from .kv_key import Origin
from .kv_layers import lengthen, shorten
from .plan import Plan
from .reading import Reading
from .reading_context import ReadingContext, Run
from .tails import TAILS, Placed

_log = logging.getLogger(__name__)

_LAYOUT = "f16 keys, f16 values, flash attention, unified, whole sliding windows"
_PREAMBLE, _WORK, _PIECE = range(TAILS)
"""Numbers of the sequences, of which the documents end up in `TAILS`."""

Document = tuple[int, ...]
"""The tokens of a document."""


class DocumentCells:
    """Puts documents into the cells of `context`, after a preamble that stays there between two reads."""

    def __init__(self, weights: Weights, context: ReadingContext, *, n_ctx: int) -> None:
        """Nothing is evaluated yet."""
        self._weights, self._context, self._n_ctx = weights, context, n_ctx
        self._window = llama_cpp.llama_model_n_swa(weights.pointer)
        self._origin: Origin | None = None
        self._held: tuple[tuple[int, ...], int] | None = None  # the preamble in the cache, and its valid layers

    def place(self, reading: Reading, plan: Plan) -> Placed:
        """Evaluate what is not there yet; afterwards the sequence `TAILS` sees the preamble and all documents.

        Raises:
            ModelError: llama.cpp failed.
        """
        first = len(reading.preamble)
        placed = Placed(first=first, end=first + sum(map(len, reading.documents)))
        self._begin(reading.preamble, plan, placed)
        if reading.independent:
            self._apart(reading, plan, placed)
        else:
            self._context.share(_PREAMBLE, TAILS)
            together = [token for document in reading.documents for token in document]
            self._evaluate(Run(TAILS, placed.first, together), plan, placed)
            placed.position = placed.end
        self._held = (tuple(reading.preamble), plan.layers)
        return placed

    def _begin(self, preamble: Sequence[int], plan: Plan, placed: Placed) -> None:
        """Leave nothing in the cache but the preamble."""
        held, self._held = self._held, None  # if something fails before the end, the cells are in doubt
        if held == (tuple(preamble), plan.layers):
            self._context.keep(_PREAMBLE)
            placed.reused += len(preamble)
        else:
            self._context.clear()
            self._evaluate(Run(_PREAMBLE, 0, preamble), plan, placed)

    def _evaluate(self, run: Run, plan: Plan, placed: Placed) -> None:
        self._context.evaluate(run, plan.last)
        placed.evaluated += len(run.tokens)

    def _apart(self, reading: Reading, plan: Plan, placed: Placed) -> None:
        documents = [tuple(document) for document in reading.documents]
        kept = _Kept(reading.cache, lambda document: self._key(reading.preamble, document, plan))
        states: dict[Document, States] = {}
        reused: set[Document] = set()
        for document in dict.fromkeys(documents):
            if (known := kept.get(document)) is not None:
                reused.add(document)
            else:
                known = self._states(document, plan, placed)
                kept.put(document, known)
            states[document] = known
        self._context.share(_PREAMBLE, TAILS)
        for document in documents:
            if not self._put_back(states[document], plan):
                kept.drop(document)
                reused.discard(document)
                self._evaluate_in_place(document, plan, placed)
            self._context.share(_WORK, TAILS)
            self._context.forget(_WORK)
        placed.position = placed.first + max(map(len, documents))
        placed.reused += sum(map(len, reused))

    def _evaluate_in_place(self, document: Document, plan: Plan, placed: Placed) -> None:
        """Evaluate in the next cells, as the sequence `_WORK`, a document whose KV llama.cpp refuses."""
        _log.warning("llama.cpp does not take back the KV of a document; it is computed again")
        self._context.share(_PREAMBLE, _WORK)
        self._evaluate(Run(_WORK, placed.first, document), plan, placed)

    def _states(self, document: Document, plan: Plan, placed: Placed) -> States:
        """Evaluate a document on its own and take its KV out of the cache.

        Of a layer with a sliding window llama.cpp saves only what the next token would see, so the cells of different
        layers would no longer match. A piece of a sequence that is no longer than the window is saved whole.
        """
        self._context.share(_PREAMBLE, _WORK)
        self._evaluate(Run(_WORK, placed.first, document), plan, placed)
        at, stop = placed.first, placed.first + len(document)
        window = self._window or stop
        states = []
        while at < stop:
            end = min((at // window + 1) * window, stop)
            self._context.share(_WORK, _PIECE, at, end)
            states.append(shorten(self._context.save(_PIECE), plan.layers))
            self._context.forget(_PIECE)
            at = end
        self._context.forget(_WORK)
        return tuple(states)

    def _put_back(self, states: States, plan: Plan) -> bool:
        """Put a document's KV into the next cells as the sequence `_WORK`; if llama.cpp refuses it, nothing is left."""
        for state in states:
            if not self._context.restore(_PIECE, lengthen(state, plan.layers)):
                self._context.forget(_PIECE)
                self._context.forget(_WORK)
                return False
            self._context.share(_PIECE, _WORK)
            self._context.forget(_PIECE)
        return True

    def _key(self, preamble: Sequence[int], document: Document, plan: Plan) -> str:
        if self._origin is None:
            self._origin = Origin.of(self._weights, n_ctx=self._n_ctx, layout=_LAYOUT)
        return self._origin.key(preamble, document, plan.layers)


class _Kept:
    """A cache as one read sees it, by document. Without a cache nothing is found and nothing is kept."""

    def __init__(self, cache: DocumentKV | None, key: Callable[[Document], str]) -> None:
        self._cache = cache
        self._key = functools.cache(key)

    def get(self, document: Document) -> States | None:
        return self._cache.get(self._key(document)) if self._cache else None

    def put(self, document: Document, states: States) -> None:
        if self._cache:
            self._cache.put(self._key(document), states)

    def drop(self, document: Document) -> None:
        if self._cache:
            self._cache.drop(self._key(document))
