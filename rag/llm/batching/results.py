"""What a job tells, as an iterator for its caller. Whoever closes it, or forgets it, cancels the job.

A reader waits no longer than until the job's deadline, whatever keeps the engine's thread busy. What was told before
that is read also afterwards.

These are classes and no generators: closing a generator that nobody has begun to read does nothing.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Generic, Self, TypeVar

from ..errors import EngineClosed
from ..requests import Delta
from .call import Call
from .tasks import Task

T = TypeVar("T")

Job = Task | Call
"""What the engine's thread does for somebody."""

_END = object()
"""Put after the last result by whoever closes it, for a reader that waits in another thread or task."""


class _Results(Generic[T]):
    """Keeps what the results come from: an engine that is still read from is not collected."""

    def __init__(self, job: Job, results: Any, keep: object) -> None:
        self._job = job
        self._results = results
        self._keep = keep
        self._process = os.getpid()
        self._ended = False

    def __del__(self) -> None:
        self._job.cancel()

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            self._ended = True
            raise EngineClosed("the model was loaded before this process was forked; load it again")

    def _taken(self, result: Any) -> T:
        self._ended = not isinstance(result, Delta) or bool(result.finish_reason)
        if isinstance(result, Exception):
            raise result
        taken: T = result
        return taken

    def _late(self) -> Any:
        """What is told by a job that tells nothing in time."""
        self._job.cancel()
        return self._job.deadline.error


class Results(_Results[T], Iterator[T]):
    """Results for a thread, which waits for them."""

    _results: SimpleQueue[Any]

    def __next__(self) -> T:
        if self._ended:
            raise StopIteration
        self._check_process()
        if (result := self._next()) is _END:
            raise StopIteration
        return self._taken(result)

    def _next(self) -> Any:
        left = self._job.deadline.left
        try:
            return self._results.get(timeout=None if left is None else min(left, threading.TIMEOUT_MAX))
        except Empty:
            return self._late()

    def __iter__(self) -> Self:
        return self

    def close(self) -> None:
        """Cancel the job; there are no more results, also for whoever waits for one. A second call does nothing."""
        self._ended = True
        self._job.cancel()
        self._results.put(_END)


class AsyncResults(_Results[T], AsyncIterator[T]):
    """Results for an event loop, which goes on meanwhile."""

    _results: asyncio.Queue[Any]

    async def __anext__(self) -> T:
        if self._ended:
            raise StopAsyncIteration
        self._check_process()
        if (result := await self._next()) is _END:
            raise StopAsyncIteration
        return self._taken(result)

    async def _next(self) -> Any:
        try:
            async with asyncio.timeout(self._job.deadline.left):
                return await self._results.get()
        except TimeoutError:  # in a loop that was busy until now, what was told in time is here only now
            return self._late() if self._results.empty() else self._results.get_nowait()

    def __aiter__(self) -> Self:
        return self

    async def aclose(self) -> None:
        """Cancel the job; there are no more results, also for whoever waits for one. A second call does nothing."""
        self._ended = True
        self._job.cancel()
        self._results.put_nowait(_END)


async def gather(coroutines: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Await all of them together. Where one fails, or the caller is cancelled, the others are cancelled, too."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
