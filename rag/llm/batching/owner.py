"""The thread that owns a context. It knows nothing of the engine, so that a forgotten engine can be collected."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, TypeVar

from ..attention.reader import LazyReader
from ..errors import EngineClosed
from ..requests import Delta, EngineStats
from ..weights import Weights
from .context import Context
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
        self._lock = threading.Lock()
        self._scheduler = scheduler
        arguments = ([reader, context, weights], scheduler, self._inbox, self._stopping)
        self._thread = threading.Thread(target=_serve, args=arguments, name="ragloom-llm", daemon=True)
        self._thread.start()

    def run(self, make: Callable[[Sink], Task]) -> Generator[Any]:
        """What a task tells, as it comes; closing the generator cancels the task.

        The task is under way when this returns, not only when somebody begins to read.
        """
        results: SimpleQueue[Any] = SimpleQueue()
        task = make(results.put)
        self._submit(task)
        return _read(results, task)

    def arun(self, make: Callable[[Sink], Task]) -> AsyncGenerator[Any]:
        """What a task tells, for the running event loop; closing the generator cancels the task."""
        loop = asyncio.get_running_loop()
        results: asyncio.Queue[Any] = asyncio.Queue()

        def sink(result: Any) -> None:
            with suppress(RuntimeError):  # the loop was closed: nobody is there to read
                loop.call_soon_threadsafe(results.put_nowait, result)

        task = make(sink)
        self._submit(task)
        return _aread(results, task)

    def call(self, function: Callable[[], T]) -> T:
        """Do something in the thread, while no task is in the middle of a step; what it returns or raises."""
        results: SimpleQueue[Any] = SimpleQueue()
        self._submit(_Call(function, results.put))
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
        with self._lock:
            self._stopping.set()
            self._inbox.put(None)
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _submit(self, task: Task | _Call) -> None:
        with self._lock:
            if self._stopping.is_set() or not self._thread.is_alive():
                raise EngineClosed("the model was closed, or loaded before this process was forked; load it again")
            self._inbox.put(task)


def _read(results: SimpleQueue[Any], task: Task) -> Generator[Any]:
    try:
        while True:
            result = results.get()
            if isinstance(result, Exception):
                raise result
            yield result
            if not isinstance(result, Delta) or result.finish_reason:
                return
    finally:
        task.cancel()


async def _aread(results: asyncio.Queue[Any], task: Task) -> AsyncGenerator[Any]:
    try:
        while True:
            result = await results.get()
            if isinstance(result, Exception):
                raise result
            yield result
            if not isinstance(result, Delta) or result.finish_reason:
                return
    finally:
        task.cancel()


def _serve(
    owned: Sequence[Context | Weights | LazyReader],
    scheduler: Scheduler,
    inbox: SimpleQueue[Task | _Call | None],
    stopping: threading.Event,
) -> None:
    failure: Exception = EngineClosed("the model was closed while it answered")
    try:
        while not stopping.is_set():
            while scheduler.idle or not inbox.empty():
                task = inbox.get()
                if task is None:
                    break
                if isinstance(task, _Call):
                    task.run()
                else:
                    scheduler.add(task)
            if not stopping.is_set():
                scheduler.step()
    except Exception as error:  # noqa: BLE001 - a defect; whoever waits should hear of it and not wait for ever
        _log.exception("the engine ends after an error of its own")
        failure = error
    finally:
        stopping.set()
        while not inbox.empty():
            if task := inbox.get():
                task.sink(failure) if isinstance(task, _Call) else task.fail(failure)
        scheduler.fail_all(failure)
        for thing in owned:
            thing.close()
