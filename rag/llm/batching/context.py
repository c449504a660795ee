"""llama.cpp's context: a KV cache of many sequences, and the evaluation of a batch of their tokens.

Flash attention of llama.cpp on a CPU has three ways to sum: in tiles from 64 rows on, in halves for a single row over
512 cells or more, else one cell after the other. They round differently, a Q8_0 model rounds its activations to 8 bits
after each, and so a request's logits depend, by up to half a unit, on what was evaluated beside it and in which
pieces. Only the last way adds in the order of the sequence's own tokens whatever lies between. llama.cpp takes it for
every batch when the KV cache is neither float16 nor float32; that is what `batch_invariant` does. `invariance` has the
other half of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..logs import collect_errors, reason
from ..memory import check_memory
from ..sequence_state import restore_sequence, save_sequence
from ..weights import Weights
from .invariance import single_rows_differ

_DEFAULT_CONTEXT = 8192  # tokens; what a model was trained for may be 131,072, and gigabytes of KV cache
N_BATCH = 512  # tokens evaluated at once; 1,000 tokens took 2.4 s here at 512 and 1,024, 2.8 s at 128
_PROBE = 6  # tokens by which is seen whether rows are computed alike
_BLOCK = 32  # numbers in a block of Q8_0
_BF16 = 30  # of enum ggml_type; llama_cpp does not name it


class Row(NamedTuple):
    """A token to evaluate: what it is, where it stands in which sequence, and whether its logits are wanted."""

    token: int
    position: int
    sequence: int
    wants_logits: bool


def context_size(weights: Weights, n_ctx: int | None, name: str) -> int:
    """How many tokens a context of the model `name` has that was asked for with `n_ctx`.

    Raises:
        ModelError: that is out of range.
    """
    trained = weights.trained_context
    if n_ctx is not None and n_ctx < 1:
        raise ModelError(f"n_ctx should be at least 1, not {n_ctx}")
    if n_ctx is not None and n_ctx > trained:
        raise ModelError(f"n_ctx={n_ctx} is more than the {trained} tokens that {name} was trained for")
    return n_ctx or min(trained, _DEFAULT_CONTEXT)


class Context:
    """The KV cache of a model's sequences. For one thread only."""

    def __init__(
        self,
        weights: Weights,
        *,
        n_ctx: int,
        n_seqs: int,
        threads: int,
        batch_invariant: bool = False,
    ) -> None:
        """Reserve room for `n_ctx` tokens in `n_seqs` sequences; the last one is the context's own.

        A batch has logits for as many rows as there are sequences.

        Raises:
            ModelError: the memory does not suffice, or the model cannot generate.
        """
        check_memory(weights, n_ctx=n_ctx, n_seqs=n_seqs)
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = max(n_ctx, 2 * _PROBE) + 1 if batch_invariant else n_ctx  # a row nobody needs; see `invariance`
        params.n_batch = params.n_ubatch = min(N_BATCH + batch_invariant, params.n_ctx)
        params.n_seq_max = n_seqs
        params.n_outputs_max = n_seqs  # llama.cpp aborts the process where it is less
        params.kv_unified = True
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_AUTO
        if batch_invariant:
            params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
            params.type_k = params.type_v = _order_keeping_type(weights)
        with collect_errors() as errors:
            pointer = llama_cpp.llama_init_from_model(weights.pointer, params)
        if not pointer:
            raise ModelError(f"cannot make a context of {n_ctx} tokens for {weights.path.name}: {reason(errors)}")
        self._memory = llama_cpp.llama_get_memory(pointer)
        if not self._memory or weights.has_encoder:
            llama_cpp.llama_free(pointer)
            raise ModelError(f"{weights.path.name} is a model that reads only, or one of two halves; use a chat model")
        self._pointer: llama_cpp.llama_context_p = pointer
        self._batch = llama_cpp.llama_batch_init(N_BATCH + 1, 0, 1)
        self._n_vocab = weights.n_vocab
        self.window = weights.window
        self._beside: Row | None = None
        if batch_invariant:
            try:
                self._keep_rows_alike(n_seqs)
            except BaseException:
                self.close()
                raise

    @property
    def pointer(self) -> llama_cpp.llama_context_p:
        """The context for llama.cpp's functions."""
        return self._pointer

    def evaluate(self, rows: Sequence[Row]) -> None:
        """Evaluate a batch of at most `N_BATCH` rows.

        Raises:
            ModelError: llama.cpp could not.
        """
        if self._beside and (len(rows) == 1 or sum(row.wants_logits for row in rows) == 1):
            self._evaluate([*rows, self._beside])
            self.clear_sequence(self._beside.sequence)
        else:
            self._evaluate(rows)

    def _evaluate(self, rows: Sequence[Row]) -> None:
        batch = self._batch
        batch.n_tokens = len(rows)
        for i, (token, position, sequence, wants_logits) in enumerate(rows):
            batch.token[i] = token
            batch.pos[i] = position
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = sequence
            batch.logits[i] = wants_logits
        with collect_errors() as errors:
            code = llama_cpp.llama_decode(self._pointer, batch)
        if code:
            raise ModelError(f"llama.cpp could not evaluate {len(rows)} tokens (code {code}): {reason(errors)}")

    def _keep_rows_alike(self, n_seqs: int) -> None:
        """Find out whether a single row has to have another one beside it; see `invariance`."""
        prompt = [Row(token, token, 0, token == _PROBE - 1) for token in range(_PROBE)]
        self._evaluate([*prompt, *(row._replace(sequence=1) for row in prompt)])
        in_one_go = self.logits(_PROBE - 1).copy()
        self.clear()
        self._evaluate([row._replace(wants_logits=False) for row in prompt[:-1]])

        def evaluate(rows: int) -> NDArray[np.float32]:
            for sequence in range(1, rows + 1):
                self.clear_sequence(sequence)
                self.copy(0, sequence, _PROBE - 1)
            self._evaluate([prompt[-1]._replace(sequence=sequence) for sequence in range(1, rows + 1)])
            return np.array([self.logits(row) for row in range(rows)])

        if single_rows_differ(evaluate, in_one_go, n_seqs - 1):
            self._beside = Row(0, 0, n_seqs - 1, True)
        self.clear()

    def logits(self, row: int) -> NDArray[np.float32]:
        """The logits `[n_vocab]` that the last batch has at `row`, in place: the next batch overwrites them."""
        return np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(self._pointer, row), (self._n_vocab,))

    def copy(self, source: int, target: int, length: int) -> None:
        """Give the first `length` tokens of a sequence to another one too; nothing is copied in memory."""
        llama_cpp.llama_memory_seq_cp(self._memory, source, target, 0, length)

    def cut(self, sequence: int, length: int) -> None:
        """Forget what a sequence has behind its first `length` tokens."""
        llama_cpp.llama_memory_seq_rm(self._memory, sequence, length, -1)

    def save(self, sequence: int) -> NDArray[np.uint8]:
        """The KV of a sequence.

        Raises:
            ModelError: llama.cpp failed.
        """
        return save_sequence(self._pointer, sequence)

    def restore(self, sequence: int, state: NDArray[np.uint8]) -> bool:
        """Put what `save` returned into free cells, as a sequence that was empty; whether llama.cpp accepts it."""
        return restore_sequence(self._pointer, sequence, state)

    def first_position(self, sequence: int) -> int:
        """The position of the first token that all layers still have of a sequence; -1 if it has none."""
        return int(llama_cpp.llama_memory_seq_pos_min(self._memory, sequence))

    def clear_sequence(self, sequence: int) -> None:
        """Forget a sequence; tokens that it shares with others stay there."""
        llama_cpp.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def clear(self) -> None:
        """Forget all sequences."""
        llama_cpp.llama_memory_clear(self._memory, False)

    def close(self) -> None:
        """Free the memory. Call it once, before the weights are closed."""
        llama_cpp.llama_batch_free(self._batch)
        llama_cpp.llama_free(self._pointer)


def _order_keeping_type(weights: Weights) -> int:
    """Q8_0 is the faster one, where the heads are made of whole blocks."""
    whole = all(size % _BLOCK == 0 for size in weights.head_sizes)
    return llama_cpp.GGML_TYPE_Q8_0 if whole else _BF16
