"""One try of a node: in the caller's thread, in a thread of its own, or in an event loop.

A function that hangs cannot be stopped from outside; but nobody has to wait for it. Where a node has a timeout or runs
beside others it gets a thread of its own, and whoever waits gives up when its time is up or another branch has failed.
The thread then ends by itself, at the latest with the process, and its result is thrown away. `Context.cancelled` tells
the function so. A thread whose function has returned waits for the run's next one: starting one costs more than that.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from ..errors import CancelledError, NodeTimeoutError


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


Task = tuple[Attempt, Context, Future[Any]]
Tasks = SimpleQueue[Task | None]
"""What a thread is to do; None: nothing more."""


@dataclass(slots=True)
class Run:
    """The tries of one run that somebody waits for, and the threads that they are made in.

    Attributes:
        failure: what the first node to fail raised; the others then only say that they were cancelled.
    """

    failure: Exception | None = None
    _waiting: dict[Attempt, Future[Any]] = field(default_factory=dict)
    _idle: list[Tasks] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: bool = False

    def fail(self, error: Exception) -> None:
        """Remember the first error, and end the run."""
        with self._lock:
            self.failure = self.failure or error
        self.end()

    def end(self) -> None:
        """Wait no longer for anything."""
        with self._lock:
            self._over = True
            waiting = dict(self._waiting)
            idle, self._idle = self._idle, []
        for tasks in idle:
            tasks.put(None)
        for attempt, future in waiting.items():
            attempt.cancelled.set()
            _settle(future, error=CancelledError(f"the node {attempt.node!r} was cancelled: the run has ended"))

    @contextmanager
    def waits_for(self, attempt: Attempt, future: Future[Any]) -> Iterator[None]:
        """Somebody waits for `attempt`, until the end of the run at the latest."""
        with self._lock:
            self._waiting[attempt] = future
            over = self._over
        if over:
            self.end()
        try:
            yield
        finally:
            with self._lock:
                del self._waiting[attempt]

    def begin(self, attempt: Attempt) -> Future[Any]:
        """Try a function of any kind in a thread that does nothing else."""
        future: Future[Any] = Future()
        with self._lock:
            tasks = self._idle.pop() if self._idle else None
        if tasks is None:
            tasks = SimpleQueue()
            threading.Thread(target=self._work, args=(tasks,), name=f"ragloom-{attempt.node}", daemon=True).start()
        tasks.put((attempt, copy_context(), future))
        return future

    def _work(self, tasks: Tasks) -> None:
        while (task := tasks.get()) is not None:
            self._do(task, tasks)
            del task  # which would be kept for as long as the thread waits

    def _do(self, task: Task, tasks: Tasks) -> None:
        attempt, context, future = task
        try:
            result = context.run(_call, attempt)
        except BaseException as error:  # noqa: BLE001 - whoever waits raises it
            self._free(tasks)
            _settle(future, error=error)
        else:
            self._free(tasks)
            _settle(future, result)

    def _free(self, tasks: Tasks) -> None:
        """Let the thread with these `tasks` be given another one, or end with the run."""
        with self._lock:
            if self._over:
                tasks.put(None)
            else:
                self._idle.append(tasks)


def call_here(attempt: Attempt) -> Any:
    """Try a plain function in the caller's thread; there can be no timeout."""
    return attempt.call()


def call_apart(attempt: Attempt, run: Run) -> Any:
    """Try a function of any kind in a thread of its own.

    Raises:
        NodeTimeoutError: its time is up.
        CancelledError: the run has ended meanwhile.
    """
    future = run.begin(attempt)
    with run.waits_for(attempt, future):
        try:
            return future.result(attempt.timeout)
        except TimeoutError:
            if future.done():
                return future.result()  # ended just now, or the error is the function's own
            raise attempt.late() from None
        finally:
            attempt.cancelled.set()


async def acall(attempt: Attempt, run: Run) -> Any:
    """Try a function without keeping the event loop; a plain one gets a thread of its own.

    Raises:
        NodeTimeoutError: its time is up.
    """
    awaitable = attempt.call() if attempt.is_async else asyncio.wrap_future(run.begin(attempt))
    try:
        async with asyncio.timeout(attempt.timeout) as limit:
            return await awaitable
    except TimeoutError:
        if not limit.expired():
            raise
        raise attempt.late() from None
    finally:
        attempt.cancelled.set()


def _call(attempt: Attempt) -> Any:
    returned = attempt.call()
    return asyncio.run(_until_cancelled(attempt, returned)) if inspect.isawaitable(returned) else returned


async def _until_cancelled(attempt: Attempt, awaitable: Awaitable[Any]) -> Any:
    """Await, but stop when nobody waits any longer: an async function, other than a plain one, can be stopped."""
    task = asyncio.ensure_future(awaitable)
    watch = asyncio.ensure_future(asyncio.to_thread(attempt.cancelled.wait))
    try:
        await asyncio.wait([task, watch], return_when=asyncio.FIRST_COMPLETED)
        task.cancel()  # which does nothing to one that is done
        return await task
    finally:
        attempt.cancelled.set()  # so that the watch ends


def _settle(future: Future[Any], result: Any = None, *, error: BaseException | None = None) -> None:
    try:
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
    except InvalidStateError:
        pass  # nobody waits any longer
