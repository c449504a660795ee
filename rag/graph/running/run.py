"""One run: who is waited for, and the threads that nodes are tried in.

A thread whose function has returned waits for the run's next one: starting one costs more than that. One whose function
hangs serves nobody any more, and ends by itself, at the latest with the process.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..errors import CancelledError
from .attempts import Attempt, call_here

if TYPE_CHECKING:
    from ..plan import Plan

Task = tuple[Attempt, Context, Future[Any]]
Tasks = SimpleQueue[Task | None]
"""What a thread is to do; None: nothing more."""


@dataclass(slots=True)
class Run:
    """The tries of one run that somebody waits for, and the threads that they are made in; a context until its end.

    Attributes:
        plan: of the graph that runs.
        may_be_left: whether who waits for the run may go before its end, so that no node may hold him.
        failure: what the first node to fail raised; the others then only say that they were cancelled.
    """

    plan: Plan | None = None
    may_be_left: bool = False
    failure: BaseException | None = None
    _waiting: dict[Attempt, Future[Any]] = field(default_factory=dict)
    _idle: list[Tasks] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    def fail(self, error: BaseException) -> None:
        """Remember the first error, and end the run."""
        with self._lock:
            self.failure = self.failure or error
        self.end()

    def end(self) -> None:
        """Wait no longer for anything."""
        with self._lock:
            self._over.set()
            waiting = dict(self._waiting)
            idle, self._idle = self._idle, []
        for tasks in idle:
            tasks.put(None)
        for attempt, future in waiting.items():
            attempt.cancelled.set()
            _settle(future, error=_ended(attempt.node))

    def pause(self, node: str, seconds: float) -> None:
        """Wait before `node` is tried again.

        Raises:
            CancelledError: the run has ended meanwhile.
        """
        if self._over.wait(seconds):
            raise _ended(node)

    @contextmanager
    def waits_for(self, attempt: Attempt) -> Iterator[Future[Any]]:
        """Somebody waits for what comes of `attempt`, until the end of the run at the latest; then it is cancelled."""
        future: Future[Any] = Future()
        with self._lock:
            self._waiting[attempt] = future
        try:
            if self._over.is_set():
                self.end()
            else:
                self.begin(attempt, future)
            yield future
        finally:
            attempt.cancelled.set()
            with self._lock:
                del self._waiting[attempt]

    def begin(self, attempt: Attempt, future: Future[Any]) -> None:
        """Try a function of any kind in a thread that does nothing else; what comes of it goes into `future`."""
        with self._lock:
            tasks = self._idle.pop() if self._idle else None
        is_new = tasks is None
        tasks = tasks or SimpleQueue()
        tasks.put((attempt, copy_context(), future))
        if is_new:
            threading.Thread(target=self._work, args=(tasks,), name=f"ragloom-{attempt.node}", daemon=True).start()

    def _work(self, tasks: Tasks) -> None:
        while (task := tasks.get()) is not None:
            self._do(task, tasks)
            del task  # which would be kept for as long as the thread waits

    def _do(self, task: Task, tasks: Tasks) -> None:
        attempt, context, future = task
        try:
            result = context.run(call_here, attempt)
        except BaseException as error:  # noqa: BLE001 - whoever waits raises it
            self._free(tasks)
            _settle(future, error=error)
        else:
            self._free(tasks)
            _settle(future, result)

    def _free(self, tasks: Tasks) -> None:
        """Let the thread with these `tasks` be given another one, or end with the run."""
        with self._lock:
            if self._over.is_set():
                tasks.put(None)
            else:
                self._idle.append(tasks)


def _ended(node: str) -> CancelledError:
    return CancelledError(f"the node {node!r} was cancelled: the run has ended")


def _settle(future: Future[Any], result: Any = None, *, error: BaseException | None = None) -> None:
    try:
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
    except InvalidStateError:
        pass  # nobody waits any longer
