"""Gradient descent with momentum and a step size for each number.

Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, algorithm 1, with its constants.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

_MEAN, _SQUARE, _TINY = 0.9, 0.999, 1e-8


def descend(start: Numbers, gradient: Callable[[Numbers], Numbers], *, steps: int, rate: float) -> Numbers:
    """Walk downhill; where the gradient is zero from the beginning, nothing moves.

    Args:
        start: where to begin.
        gradient: of what is to become small, at a point.
        steps: how many.
        rate: about how far a step moves each number.
    """
    at, mean, square = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for step in range(1, steps + 1):
        slope = gradient(at)
        mean = _MEAN * mean + (1 - _MEAN) * slope
        square = _SQUARE * square + (1 - _SQUARE) * slope**2
        at -= rate * (mean / (1 - _MEAN**step)) / (np.sqrt(square / (1 - _SQUARE**step)) + _TINY)
    return at
