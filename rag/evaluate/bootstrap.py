"""Intervals by the bootstrap (Efron, 1979): how much a figure would vary with other questions of the same kind.

Questions are drawn anew, with replacement; to compare two graphs both are given the same draws, so that what is hard
for both does not blur the difference (Sakai, "Evaluating evaluation metrics based on the bootstrap", SIGIR 2006).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""A figure of values along their last axis, shape (..., questions) -> (...)."""

ROUNDS = 2000


def draws(questions: int, *, seed: int = 0, rounds: int = ROUNDS) -> NDArray[np.int64]:
    """Questions drawn with replacement: indexes, shape (rounds, questions)."""
    return np.random.default_rng(seed).integers(0, questions, (rounds, questions))


def mean(values: Floats) -> Floats:
    """The mean of what is known; NaN where nothing is."""
    known = ~np.isnan(values)
    counts = known.sum(axis=-1)
    sums = np.where(known, values, 0.0).sum(axis=-1)
    means: Floats = np.divide(sums, counts, out=np.full(np.shape(counts), np.nan), where=counts > 0)
    return means


def percentile(percent: float) -> Statistic:
    """The percentile of what is known."""

    def of_row(row: Floats) -> float:
        known = row[~np.isnan(row)]
        return float(np.percentile(known, percent)) if len(known) else float("nan")

    def of(values: Floats) -> Floats:
        found: Floats = np.apply_along_axis(of_row, -1, values)
        return found

    return of


def interval(figures: Floats) -> tuple[float, float]:
    """The middle 95% of a figure over all draws; NaN where none is known."""
    known = figures[~np.isnan(figures)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def auc(confidences: Floats, answerable: NDArray[np.bool_]) -> float:
    """How often an answerable question has the higher confidence of a pair, one answerable, one not; ties are half.

    The area under the ROC curve, as the Mann-Whitney statistic: 0.5 for guessing. NaN without both kinds.
    """
    known = ~np.isnan(confidences)
    yes, no = confidences[known & answerable], np.sort(confidences[known & ~answerable])
    if not len(yes) or not len(no):
        return float("nan")
    below, not_above = np.searchsorted(no, yes, "left"), np.searchsorted(no, yes, "right")
    return float(np.mean((below + not_above) / 2) / len(no))
