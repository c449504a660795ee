"""One try of a node: in the caller's thread, in a thread of its own, or in an event loop.

A function that hangs cannot be stopped from outside; but nobody has to wait for it. Where a node has a timeout or runs
beside others it gets a thread of its own, and whoever waits gives up when its time is up or another branch has failed.
Its result is then thrown away. `Context.cancelled` tells the function so.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import NodeError, NodeTimeoutError

if TYPE_CHECKING:
    from .run import Run

GRACE = 1.0
"""Seconds that an async function has to clean up when it is cancelled; then nobody waits for that either."""

_MISTAKEN = (StopIteration, GeneratorExit, asyncio.CancelledError)
"""What a node may raise that whoever waits would take for something else: a generator's end, his own cancellation."""


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """A node that is about to be tried.

    Attributes:
        node: its name in the graph.
        call: does it; may return an awaitable.
        timeout: seconds that it may take; None: as long as it wants.
        cancelled: to be set when nobody waits for it any longer.
        is_async: whether `call` returns an awaitable.
    """

    node: str
    call: Callable[[], Any]
    timeout: float | None
    cancelled: threading.Event
    is_async: bool

    def late(self) -> NodeTimeoutError:
        """What is raised when the time is up."""
        return NodeTimeoutError(self.node, f"did not end within {self.timeout:g} s")

    def mistaken(self, error: BaseException) -> NodeError:
        """What is raised in place of an error that would be mistaken."""
        return NodeError(self.node, f"failed: {type(error).__name__}: {error}".removesuffix(": "))


def call_here(attempt: Attempt) -> Any:
    """Try a function of any kind in the caller's thread; there can be no timeout."""
    try:
        returned = attempt.call()
        return asyncio.run(_until_cancelled(attempt, returned)) if inspect.isawaitable(returned) else returned
    except _MISTAKEN as error:
        raise attempt.mistaken(error) from error


def call_apart(attempt: Attempt, run: Run) -> Any:
    """Try a function of any kind in a thread of its own.

    Raises:
        NodeTimeoutError: its time is up.
        CancelledError: the run has ended meanwhile.
    """
    with run.waits_for(attempt) as future:
        try:
            return future.result(attempt.timeout)
        except TimeoutError:
            if future.done():
                return future.result()  # ended just now, or the error is the function's own
            raise attempt.late() from None


async def acall(attempt: Attempt, run: Run) -> Any:
    """Try a function without blocking the event loop; a plain one gets a thread of its own, an async one a task.

    Raises:
        NodeTimeoutError: its time is up.
    """
    task = asyncio.ensure_future(attempt.call() if attempt.is_async else _in_thread(attempt, run))
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # or asyncio complains of a late error
    try:
        done, _ = await asyncio.wait([task], timeout=attempt.timeout)
        if not done:
            raise attempt.late()
        return _result(attempt, task)
    finally:
        attempt.cancelled.set()
        if task.cancel():
            await asyncio.wait([task], timeout=GRACE)


def _in_thread(attempt: Attempt, run: Run) -> asyncio.Future[Any]:
    future: Future[Any] = Future()
    run.begin(attempt, future)
    return asyncio.wrap_future(future)


def _result(attempt: Attempt, task: asyncio.Future[Any]) -> Any:
    try:
        return task.result()
    except _MISTAKEN as error:
        raise attempt.mistaken(error) from error


async def _until_cancelled(attempt: Attempt, awaitable: Awaitable[Any]) -> Any:
    """Await, but stop when nobody waits any longer: an async function, unlike a plain one, can be stopped."""
    task = asyncio.ensure_future(awaitable)
    watch = asyncio.ensure_future(asyncio.to_thread(attempt.cancelled.wait))
    try:
        await asyncio.wait([task, watch], return_when=asyncio.FIRST_COMPLETED)
        task.cancel()  # which does nothing to one that is done
        return await task
    finally:
        attempt.cancelled.set()  # so that the watch ends
