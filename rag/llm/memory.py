"""Whether there is the memory that a context will need: where only little of it is missing, llama.cpp aborts."""

from __future__ import annotations

import mmap

from .errors import ModelError
from .weights import Weights

_WORKSPACE = 192 << 20  # bytes for a step's intermediate results; the embedded model takes 110 MB


def check_memory(weights: Weights, *, n_ctx: int, n_seqs: int) -> None:
    """Ask for as much memory as a context of `n_ctx` tokens in `n_seqs` sequences needs, and give it back.

    Raises:
        ModelError: there is not so much.
    """
    needed = n_ctx * weights.numbers_per_token * 2 + n_seqs * weights.n_vocab * 4 + _WORKSPACE
    try:
        mmap.mmap(-1, needed).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ModelError(
            f"cannot make a context of {n_ctx} tokens for {weights.path.name}: it needs about {needed / 1e6:,.0f} MB "
            "of memory, which are not there; try a smaller n_ctx"
        ) from error
