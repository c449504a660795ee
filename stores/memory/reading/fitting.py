"""How well the interval of a fact fits the time that a question asks about.

Of the facts that held in "between 1918 and 1919" the one that held all the while fits best; "before March 1811" mostly
means what held until just then, and "before" alone what ended last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...fusion import rrf
from ..instants import optional_micros
from ..interval import Interval
from .pool import Ranking

Bounds = tuple[int | None, int | None]
"""From when and until when a fact held, in microseconds; None is open."""

_YEAR = 366 * 24 * 3600 * 1_000_000


def fit(held: Bounds, asked: Interval) -> float:
    """How well a fact that held at some time of an interval fits it, from 0 to 1."""
    start, end = optional_micros(asked.start), optional_micros(asked.end)
    if start is not None and end is not None:
        first = start if held[0] is None else max(start, held[0])
        last = end if held[1] is None else min(end, held[1])
        return max(0, last - first) / (end - start)
    if end is not None:
        gap = 0 if held[1] is None else end - held[1]
    else:
        gap = 0 if held[0] is None or start is None else held[0] - start
    return 1 / (1 + max(0, gap) / _YEAR)


def fitting(rankings: Sequence[Ranking], held: Mapping[int, Bounds], asked: Interval) -> Ranking:
    """The facts of these rankings, those first that fit best; of equal ones those that were found first."""
    found = [key for key, _ in rrf([[key for key, _ in ranking.items] for ranking in rankings])]
    scored = [(key, fit(held[key], asked)) for key in found if key in held]
    return Ranking("time", "fact", sorted(scored, key=lambda each: -each[1]))
