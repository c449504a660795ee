"""How long the stages of a run take."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


class Stopwatch:
    """Wall time by stage, in seconds."""

    def __init__(self, *stages: str) -> None:
        """Start at nothing."""
        self.seconds = dict.fromkeys(stages, 0.0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - started

    def over(self, name: str, items: Iterable[Item]) -> Iterator[Item]:
        """The items; the time that making them takes is added to a stage."""
        iterator = iter(items)
        while True:
            with self.stage(name):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def add(self, seconds: Mapping[str, float]) -> None:
        """Add what another watch has measured."""
        for name, spent in seconds.items():
            self.seconds[name] += spent
