"""The thread that owns a context. It knows nothing of the engine, so that a forgotten engine can be collected."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from ..attention.reader import LazyReader
from ..attention.tap import Interrupt
from ..errors import EngineClosed
from ..requests import EngineStats
from ..weights import Weights
from .context import Context
from .deadline import Deadline
from .results import AsyncResults, Results
from .scheduler import Scheduler
from .tasks import Sink, Task

_log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Call:
    """Something to be done between two steps."""

    function: Callable[[], Any]
    sink: Sink

    def run(self) -> None:
        try:
            result = self.function()
        except Exception as error:  # noqa: BLE001 - the caller raises it
            result = error
        self.sink(result)


class Owner:
    """Runs tasks in a thread of its own."""

    def __init__(self, weights: Weights, context: Context, scheduler: Scheduler, reader: LazyReader) -> None:
        """Start the thread; from here on it owns what it is given."""
        self._inbox: SimpleQueue[Task | _Call | None] = SimpleQueue()
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._process = os.getpid()
        self._scheduler = scheduler
        arguments = ([reader, context, weights], scheduler, self._inbox, self._stopping, self._ended)
        self._thread = threading.Thread(target=_serve, args=arguments, name="ragloom-llm", daemon=True)
        self._thread.start()
        at_exit = partial(_stop, weakref.ref(self))
        atexit.register(at_exit)  # before Python dismantles itself
        self._abandon = partial(_abandon, self._stopping, self._inbox, at_exit)
        weakref.finalize(self, self._abandon).atexit = False

    def run(self, make: Callable[[Sink], Task], keep: object) -> Results[Any]:
        """What a task tells, as it comes.

        The task is under way when this returns, not only when somebody begins to read. `keep` is kept until the end.
        """
        results: SimpleQueue[Any] = SimpleQueue()
        task = make(results.put)
        self._submit(task)
        return Results(task, results, keep)

    def arun(self, make: Callable[[Sink], Task], keep: object) -> AsyncResults[Any]:
        """What a task tells, for the running event loop; as `run`."""
        loop = asyncio.get_running_loop()
        results: asyncio.Queue[Any] = asyncio.Queue()

        def sink(result: Any) -> None:
            try:
                loop.call_soon_threadsafe(results.put_nowait, result)
            except RuntimeError:  # the loop was closed: nobody is there to read
                task.cancel()

        task = make(sink)
        self._submit(task)
        return AsyncResults(task, results, keep)

    def call(self, function: Callable[[Interrupt], T], timeout: float | None = None) -> T:
        """Do something in the thread, while no task is in the middle of a step; what it returns or raises.

        Args:
            function: what is to be done; it should call its argument now and then, to end when nobody waits any longer.
            timeout: seconds from now after which nobody does; None: never.

        Raises:
            DeadlineExceeded: it was not done within the `timeout`.
            EngineClosed: the engine was closed, before or meanwhile.
        """
        deadline, stopping = Deadline(timeout), self._stopping

        def interrupt() -> None:
            if stopping.is_set():
                raise _closed()
            if late := deadline.exceeded:
                raise late

        def run() -> T:
            interrupt()
            return function(interrupt)

        results: SimpleQueue[Any] = SimpleQueue()
        self._submit(_Call(run, results.put))
        result = results.get()
        if isinstance(result, Exception):
            raise result
        returned: T = result
        return returned

    def stats(self) -> EngineStats:
        """What was done so far."""
        return self._scheduler.stats

    def stop(self) -> None:
        """Cancel what runs, free the memory and end the thread."""
        self._abandon()
        if self._thread is not threading.current_thread() and self._process == os.getpid():
            self._thread.join()

    def check_alive(self) -> None:
        """Whether the thread is there; it is not where this process was forked off from the one that made it.

        Raises:
            EngineClosed: it is not.
        """
        if self._stopping.is_set() or self._process != os.getpid() or not self._thread.is_alive():
            raise EngineClosed("the model was closed, or loaded before this process was forked; load it again")

    def _submit(self, task: Task | _Call) -> None:
        self.check_alive()
        self._inbox.put(task)
        if self._ended.is_set():  # meanwhile, and it may not have seen the task
            _refuse(self._inbox, _closed)


def _abandon(stopping: threading.Event, inbox: SimpleQueue[Any], at_exit: Callable[[], None]) -> None:
    """Let the thread end and free the memory, but do not wait for it.

    The garbage collector may call this in any thread, also in one that holds a lock which ours waits for.
    """
    stopping.set()
    inbox.put(None)
    atexit.unregister(at_exit)


def _stop(owner: weakref.ref[Owner]) -> None:
    if found := owner():
        found.stop()


def _closed() -> EngineClosed:
    return EngineClosed("the model was closed while it answered")


def _same(error: Exception) -> Exception:
    return error


def _serve(
    owned: Sequence[Context | Weights | LazyReader],
    scheduler: Scheduler,
    inbox: SimpleQueue[Task | _Call | None],
    stopping: threading.Event,
    ended: threading.Event,
) -> None:
    failure: Callable[[], Exception] = _closed
    try:
        while not stopping.is_set():
            _take(inbox, scheduler)
            if not stopping.is_set():
                scheduler.step()
    except Exception as error:  # noqa: BLE001 - a defect; whoever waits should hear of it and not wait for ever
        _log.exception("the engine ends after an error of its own")
        failure = partial(_same, error)
    finally:
        stopping.set()
        scheduler.fail_all(failure)
        ended.set()
        _refuse(inbox, failure)
        for thing in owned:
            thing.close()


def _take(inbox: SimpleQueue[Task | _Call | None], scheduler: Scheduler) -> None:
    """Let in who came; wait if there is nothing to do. At most one call is made, so that tasks go on between two."""
    while scheduler.idle or not inbox.empty():
        item = inbox.get()
        if isinstance(item, Task):
            scheduler.add(item)
        else:
            if item is not None:
                item.run()
            return


def _refuse(inbox: SimpleQueue[Task | _Call | None], failure: Callable[[], Exception]) -> None:
    """Tell everybody who came too late."""
    with suppress(Empty):
        while True:
            item = inbox.get_nowait()
            if isinstance(item, Task):
                item.fail(failure())
            elif item is not None:
                item.sink(failure())
