"""A run that is driven by a thread of its own, so that an interrupt (Ctrl-C) finds the caller waiting, nothing else.

langgraph, when it is interrupted or left, waits for the nodes that it has begun. Whoever waits for a queue instead can
end the run first, and then there is nobody left to wait for.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable
from contextvars import copy_context
from queue import SimpleQueue
from typing import TypeVar

from .run import Run

Item = TypeVar("Item")


def driven(items: Iterable[Item], run: Run) -> Generator[Item, None, None]:
    """Give `items` as they come; `run`, which makes them, is ended when the caller leaves."""
    made: SimpleQueue[tuple[Item] | BaseException | None] = SimpleQueue()

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
        while (item := made.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item[0]
    finally:
        run.end()
        thread.join()
