"""A run that is driven by a thread of its own, so that an interrupt (Ctrl-C) finds the caller waiting, nothing else.

langgraph, when it is interrupted or left, waits for the nodes that it has begun. Whoever waits for a queue instead can
end the run first, and then there is nobody left to wait for.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import TypeVar

from .run import Run

Item = TypeVar("Item")
Made = SimpleQueue[tuple[Item] | BaseException | None]

_TICK = 0.25
"""Seconds after which somebody who waits looks up: an interrupt just before he began to wait does not wake him."""


def driven(items: Iterable[Item], run: Run) -> Generator[Item, None, None]:
    """Give `items` as they come; `run`, which makes them, is ended when the caller leaves."""
    made: Made[Item] = SimpleQueue()

    def make() -> None:
        try:
            for item in items:
                made.put((item,))
        except BaseException as error:  # noqa: BLE001 - whoever waits raises it
            made.put(error)
        else:
            made.put(None)

    thread = threading.Thread(target=copy_context().run, args=(make,), name="ragloom-run", daemon=True)
    thread.start()
    try:
        while (item := _next(made)) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item[0]
    finally:
        run.end()
        thread.join()


def _next(made: Made[Item]) -> tuple[Item] | BaseException | None:
    while True:
        try:
            return made.get(timeout=_TICK)
        except Empty:
            continue
