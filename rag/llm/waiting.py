"""Waiting for what cannot be stopped, such as a server's answer, for as long as anybody wants it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import TypeVar

from .deadline import Deadline
from .errors import Cancelled

Part = TypeVar("Part")

_TICK = 0.05
"""Seconds after which whoever waits looks up, to see whether he should go on."""


_A_MOMENT = 0.001
"""Seconds in which what has already come can be handed on."""

_NEVER = Deadline(None)


def until(
    cancelled: threading.Event | None, begin: Callable[[], Iterable[Part]], deadline: Deadline = _NEVER
) -> Iterator[Part]:
    """The parts of what `begin` begins, as they come, until `cancelled` is set or it is too late.

    They are read in a thread of its own, which then nobody waits for: it ends with the part that it waits for.

    ```python
    import threading
    from ragloom.rag.llm.waiting import until

    print(list(until(threading.Event(), lambda: ["Toad", "Hall"])))  # -> ['Toad', 'Hall']
    ```

    Raises:
        Cancelled: `cancelled` was set.
        DeadlineExceeded: it was too late.
        Exception: what the parts raise.
    """
    if cancelled is None and deadline.left is None:
        yield from begin()
        return
    _check(cancelled, _NEVER)
    told: SimpleQueue[tuple[Part] | BaseException | None] = SimpleQueue()
    left = threading.Event()

    def read() -> None:
        try:
            for part in begin():
                told.put((part,))
                if left.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - whoever waits raises it
            told.put(error)
        else:
            told.put(None)

    threading.Thread(target=copy_context().run, args=(read,), name="ragloom-waiting", daemon=True).start()
    try:
        while True:
            _check(cancelled, _NEVER)
            try:
                part = told.get(timeout=deadline.within(_TICK))
            except Empty:  # what is there already is not too late, however long it lay there
                _check(cancelled, deadline)
                continue
            if part is None:
                return
            if isinstance(part, BaseException):
                raise part
            yield part[0]
    finally:
        left.set()


async def auntil(cancelled: threading.Event | None, awaited: Awaitable[Part], deadline: Deadline = _NEVER) -> Part:
    """What is awaited, unless `cancelled` is set or it is too late before it is there; then it is ended.

    Raises:
        Cancelled: `cancelled` was set.
        DeadlineExceeded: it was too late.
        Exception: what the awaited raises.
    """
    if cancelled is None and deadline.left is None:
        return await awaited
    task = asyncio.ensure_future(awaited)
    try:
        while not task.done():
            _check(cancelled, _NEVER)
            await asyncio.wait([task], timeout=max(_A_MOMENT, deadline.within(_TICK)))
            if not task.done():  # what is there already is not too late, however long it lay there
                _check(cancelled, deadline)
        return task.result()
    finally:
        if task.cancel():
            await asyncio.wait([task])


def _check(cancelled: threading.Event | None, deadline: Deadline) -> None:
    if cancelled is not None and cancelled.is_set():
        raise Cancelled
    if error := deadline.exceeded:
        raise error


class Ended(threading.Event):
    """Set by itself, or by another one."""

    def __init__(self, other: threading.Event | None) -> None:
        """Be set as soon as `other` is."""
        super().__init__()
        self._other = other

    def is_set(self) -> bool:
        """Whether either is set."""
        return super().is_set() or (self._other is not None and self._other.is_set())
