"""How far an evaluation is, and how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an evaluation is.

    Attributes:
        done: what is done, what was found on the disk included.
        total: of how much.
        seconds_left: how long the rest will take if it goes on as so far; NaN where nothing was done yet.
        what: what is counted: `runs`, a graph on a question each; before them perhaps `pieces of documents` that are
            indexed.
    """

    done: int
    total: int
    seconds_left: float
    what: str = "runs"


Tell = Callable[[Progress], None]
"""Hears how far an evaluation is."""


class Pace:
    """Tells the progress of work of which a part is there already, which says nothing of how long the rest takes.

    Nor does the first piece that is made: it loads models.
    """

    def __init__(self, total: int, to_make: int, tell: Tell | None) -> None:
        """Begin `total` pieces of work, of which only `to_make` take their time."""
        self._total = total
        self._to_make = to_make
        self._tell = tell
        self._done = self._made = 0
        self._began = 0.0

    def add(self, *, is_made: bool) -> None:
        """A piece is done; `is_made`: it was not there before."""
        self._done += 1
        self._made += is_made
        if is_made and self._made == 1:
            self._began = time.perf_counter()
        if self._tell:
            self._tell(Progress(self._done, self._total, self._left()))

    def _left(self) -> float:
        """Seconds; NaN where nothing tells how long a piece takes."""
        left = self._to_make - self._made
        if not left:
            return 0.0
        timed = self._made - 1
        return (time.perf_counter() - self._began) / timed * left if timed > 0 else float("nan")
