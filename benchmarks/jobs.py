"""What long benchmarks measure, as jobs: each has a key, is done once, and what it tells is kept in a state file."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from rerank_state import Key, State


@dataclass(frozen=True)
class Job:
    """One thing to measure.

    Attributes:
        key: what the result is of.
        do: measures it.
        instead: a result that serves as well.
    """

    key: Key
    do: Callable[[], dict[str, Any]]
    instead: Key | None = None

    def done(self, state: State) -> bool:
        return self.key in state or (self.instead is not None and self.instead in state)


def do_all(jobs: Iterable[Job], state: State) -> list[str]:
    """Do what is not done; what failed, for the run goes on."""
    failed = []
    for job in jobs:
        if job.done(state):
            continue
        name, started = " ".join(filter(None, job.key)), time.perf_counter()
        try:
            state.add(job.key, **job.do())
        except Exception as error:  # noqa: BLE001 - a night's measurements are worth more
            traceback.print_exc()
            failed.append(f"{name}: {error!r}")
        print(name, f"{time.perf_counter() - started:.1f} s", flush=True)
    return failed
