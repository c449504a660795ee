"""Many sequences in one KV cache that is only read: no token is generated from it.

With `kv_unified` all sequences share the cells of one cache; a cell belongs to one sequence or to several, so giving
the KV of a prefix to another sequence costs nothing.
"""

from __future__ import annotations

import ctypes
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import llama_cpp
import numpy as np

from ..errors import ModelError
from ..logs import collect_errors, reason
from ..memory import check_memory
from ..sequence_state import restore_sequence, save_sequence
from ..weights import Weights
from .tap import Tap, Visit

MAX_SEQUENCES = 64


@dataclass(frozen=True, slots=True)
class Run:
    """Tokens that follow each other in a sequence.

    Attributes:
        sequence: number of the sequence, below `MAX_SEQUENCES`.
        start: position of the first token.
        tokens: the tokens.
        also: numbers of other sequences that have the same tokens there.
    """

    sequence: int
    start: int
    tokens: Sequence[int]
    also: Sequence[int] = ()


class ReadingContext:
    """A second context over loaded weights, with flash attention and a tap. For one thread only.

    Cells are filled in the order of evaluation; those of a forgotten sequence are filled again if they were the last.
    """

    def __init__(self, weights: Weights, *, n_ctx: int, threads: int, batch: int) -> None:
        """Reserve `n_ctx` cells, of which `batch` are filled at once.

        Raises:
            ModelError: the memory does not suffice, or the model has no flash attention.
        """
        check_memory(weights, n_ctx=n_ctx, n_seqs=MAX_SEQUENCES)
        self.tap = Tap(llama_cpp.llama_model_n_layer(weights.pointer))
        self.batch = batch
        self.n_ctx = max(n_ctx, batch)
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = self.n_ctx
        params.n_batch = params.n_ubatch = batch
        params.n_seq_max = MAX_SEQUENCES
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
        params.kv_unified = True
        params.swa_full = True  # else the cache of sliding-window layers has an order of its own
        params.cb_eval = self.tap.callback
        with collect_errors() as errors:
            pointer = llama_cpp.llama_init_from_model(weights.pointer, params)
        if not pointer:
            raise ModelError(f"cannot make a context of {n_ctx} tokens for {weights.path.name}: {reason(errors)}")
        self._pointer: llama_cpp.llama_context_p | None = pointer
        self._memory = llama_cpp.llama_get_memory(pointer)
        self._arrays = _Arrays(batch)

    def evaluate(self, run: Run, last: int | None = None) -> None:
        """Evaluate tokens that nobody visits, up to and including the layer `last`.

        Raises:
            ModelError: llama.cpp failed.
        """
        for at in range(0, len(run.tokens), self.batch):
            self.evaluate_together([Run(run.sequence, run.start + at, run.tokens[at : at + self.batch])], last=last)

    def evaluate_together(
        self, runs: Sequence[Run], *, last: int | None = None, visit: Visit | None = None, layers: Collection[int] = ()
    ) -> None:
        """Evaluate at most `batch` tokens of several sequences as one batch, and `visit` some of its `layers`.

        Raises:
            ModelError: llama.cpp failed.
        """
        batch = self._arrays.fill(runs)
        with collect_errors() as errors, self.tap.watch(visit, layers, last):
            code = llama_cpp.llama_decode(self._pointer, batch)
        if code:
            raise ModelError(f"llama.cpp could not evaluate {batch.n_tokens} tokens (code {code}): {reason(errors)}")

    def share(self, origin: int, target: int, start: int = 0, stop: int = -1) -> None:
        """Give the positions `[start, stop)` of a sequence to another one, too; -1 is the end."""
        llama_cpp.llama_memory_seq_cp(self._memory, origin, target, start, stop)

    def forget(self, sequence: int) -> None:
        """Take the sequence away from all its cells; those that belong to no other one are free."""
        llama_cpp.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def keep(self, sequence: int) -> None:
        """Free all cells that do not belong to the sequence."""
        llama_cpp.llama_memory_seq_keep(self._memory, sequence)

    def clear(self) -> None:
        """Free all cells."""
        llama_cpp.llama_memory_clear(self._memory, False)

    def save(self, sequence: int) -> bytes:
        """The sequence's KV."""
        return save_sequence(self._pointer, sequence).tobytes()

    def restore(self, sequence: int, state: bytes) -> bool:
        """Put what `save` returned into the next free cells, in the same order; whether llama.cpp accepts it."""
        return restore_sequence(self._pointer, sequence, np.frombuffer(state, np.uint8))

    def close(self) -> None:
        """Free the memory; a second call does nothing."""
        if self._pointer is not None:
            llama_cpp.llama_free(self._pointer)
            self._pointer = None


class _Arrays:
    """The arrays behind `llama_batch`, made once: filling them through numpy is faster than token by token."""

    def __init__(self, size: int) -> None:
        self._token, self._position, self._count = np.zeros((3, size), np.int32)
        self._sequence = np.zeros((size, MAX_SEQUENCES), np.int32)
        self._sequences = self._sequence.ctypes.data + self._sequence.strides[0] * np.arange(size, dtype=np.uintp)
        self._output = np.zeros(size, np.int8)  # no logits of any token
        numbers = ctypes.POINTER(ctypes.c_int32)
        self._batch = llama_cpp.llama_batch(
            token=self._token.ctypes.data_as(numbers),
            pos=self._position.ctypes.data_as(numbers),
            n_seq_id=self._count.ctypes.data_as(numbers),
            seq_id=self._sequences.ctypes.data_as(ctypes.POINTER(numbers)),
            logits=self._output.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        )

    def fill(self, runs: Sequence[Run]) -> llama_cpp.llama_batch:
        at = 0
        for run in runs:
            end = at + len(run.tokens)
            self._token[at:end] = run.tokens
            self._position[at:end] = np.arange(run.start, run.start + len(run.tokens))
            of = (run.sequence, *run.also)
            self._sequence[at:end, : len(of)] = of
            self._count[at:end] = len(of)
            at = end
        self._batch.n_tokens = at
        return self._batch
