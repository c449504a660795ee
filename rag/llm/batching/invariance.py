"""Whether a token's logits are the same, bit for bit, whatever is evaluated beside it.

That attention sums in the order of a sequence's own tokens (see `context`) is one half. The other half are the matrix
products: llama.cpp has other kernels for a single row than for several, for some types of weights and processors. Q8_0
on AVX2 sums alike in both; F32 does not, and then a row that is alone, or alone in having logits, gets a second one
beside it, which nobody needs. Whether that suffices is looked at and not assumed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError

_TOGETHER = (2, 3, 4, 5, 8, 11, 16)  # kernels work on blocks of 4, 6 or 8 rows, and treat what is left in another way


def single_rows_differ(
    evaluate: Callable[[int], NDArray[np.float32]], in_one_go: NDArray[np.float32], most: int
) -> bool:
    """Whether a token that is evaluated alone has other logits than one in a batch.

    Args:
        evaluate: the logits `[n, n_vocab]` of one token after one beginning, in so many sequences of one batch.
        in_one_go: its logits `[n_vocab]` when beginning and token are evaluated in one batch, beside others.
        most: how many sequences there are.

    Raises:
        ModelError: they also differ between batches.
    """
    for rows in (n for n in _TOGETHER if n <= most):
        if not (evaluate(rows) == in_one_go).all():
            raise ModelError(
                "batch_invariant cannot be had: on this processor llama.cpp computes this model's weights in "
                f"another way for {rows} tokens than for others; take a Q8_0 file, or do without"
            )
    return not (evaluate(1) == in_one_go).all()
