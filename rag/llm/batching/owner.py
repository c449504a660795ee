"""The thread that owns a context. It knows nothing of the engine, so that a forgotten engine can be collected."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import aclosing, closing, suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from ..attention.reader import LazyReader
from ..attention.tap import Interrupt
from ..deadline import Deadline
from ..errors import EngineClosed, ModelError
from ..requests import EngineStats
from ..weights import Weights
from .call import CLOSED, Call
from .context import Context
from .results import AsyncResults, Job, Results
from .scheduler import Scheduler
from .tasks import Sink, Task

_log = logging.getLogger(__name__)

T = TypeVar("T")


class _End:
    """How the thread ends, which it and its owner both know of.

    Attributes:
        wanted: whether it should end.
        reached: whether it has told everybody who waited.
        cause: the thread's own error, by which it ended; empty: it was told to.
    """

    def __init__(self) -> None:
        self.wanted = threading.Event()
        self.reached = threading.Event()
        self.cause = ""

    def error(self, otherwise: str = CLOSED) -> EngineClosed:
        """Why nothing is answered any more, for one caller: an error that two raise mixes up their tracebacks."""
        return EngineClosed(self.cause or otherwise)


class Owner:
    """Runs jobs in a thread of its own: tasks together, and calls in between."""

    def __init__(self, weights: Weights, context: Context, scheduler: Scheduler, reader: LazyReader) -> None:
        """Start the thread; once it has, it owns what it is given.

        Raises:
            ModelError: the system has no thread for it; nothing has changed hands.
        """
        self._inbox: SimpleQueue[Job | None] = SimpleQueue()
        self._end = _End()
        self._process = os.getpid()
        self._scheduler = scheduler
        arguments = ([reader, context, weights], scheduler, self._inbox, self._end)
        self._thread = threading.Thread(target=_serve, args=arguments, name="ragloom-llm", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            raise ModelError(f"cannot start a thread for {weights.path.name}: {error}") from error
        at_exit = partial(_stop, weakref.ref(self))
        atexit.register(at_exit)  # before Python dismantles itself
        self._abandon = partial(_abandon, self._end.wanted, self._inbox, at_exit)
        weakref.finalize(self, self._abandon).atexit = False

    def run(self, make: Callable[[Sink], Job], keep: object) -> Results[Any]:
        """What a job tells, as it comes.

        The job is under way when this returns, not only when somebody begins to read. `keep` is kept until the end.
        """
        results: SimpleQueue[Any] = SimpleQueue()
        job = make(results.put)
        self._submit(job)
        return Results(job, results, keep)

    def arun(self, make: Callable[[Sink], Job], keep: object) -> AsyncResults[Any]:
        """What a job tells, for the running event loop; as `run`."""
        loop = asyncio.get_running_loop()
        results: asyncio.Queue[Any] = asyncio.Queue()

        def sink(result: Any) -> None:
            try:
                loop.call_soon_threadsafe(results.put_nowait, result)
            except RuntimeError:  # the loop was closed: nobody is there to read
                job.cancel()

        job = make(sink)
        self._submit(job)
        return AsyncResults(job, results, keep)

    def call(
        self,
        function: Callable[[Interrupt], T],
        keep: object,
        deadline: Deadline | None = None,
        cancelled: threading.Event | None = None,
    ) -> T:
        """Do something in the thread, while no task is in the middle of a step; what it returns or raises.

        Whoever is interrupted while waiting, by Ctrl-C say, ends it.

        Args:
            function: what is to be done; it should call its argument now and then, to end when nobody waits any longer.
            keep: what is kept until the end.
            deadline: after which nobody does; None: never.
            cancelled: set where nobody does.

        Raises:
            Cancelled: it is.
            DeadlineExceeded: it was not done before the `deadline`.
            EngineClosed: the engine was closed, before or meanwhile.
        """
        with closing(self.run(self._call(function, deadline, cancelled), keep)) as results:
            returned: T = next(results)
            return returned

    async def acall(self, function: Callable[[Interrupt], T], keep: object, deadline: Deadline | None = None) -> T:
        """Do something as `call` does; the event loop goes on, and a cancelled task ends it."""
        async with aclosing(self.arun(self._call(function, deadline), keep)) as results:
            returned: T = await anext(results)
            return returned

    def _call(
        self,
        function: Callable[[Interrupt], Any],
        deadline: Deadline | None,
        cancelled: threading.Event | None = None,
    ) -> Callable[[Sink], Call]:
        deadline = deadline or Deadline(None)
        return lambda sink: Call(function, sink, stopping=self._end.wanted, deadline=deadline, cancelled=cancelled)

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
        if self._end.wanted.is_set() or self._process != os.getpid() or not self._thread.is_alive():
            raise self._end.error("the model was closed, or loaded before this process was forked; load it again")

    def _submit(self, job: Job) -> None:
        self.check_alive()
        self._inbox.put(job)
        if self._end.reached.is_set():  # meanwhile, and it may not have seen the job
            _refuse(self._inbox, self._end)


def _abandon(wanted: threading.Event, inbox: SimpleQueue[Any], at_exit: Callable[[], None]) -> None:
    """Let the thread end and free the memory, but do not wait for it.

    The garbage collector may call this in any thread, also in one that holds a lock which ours waits for.
    """
    wanted.set()
    inbox.put(None)
    atexit.unregister(at_exit)


def _stop(owner: weakref.ref[Owner]) -> None:
    if found := owner():
        found.stop()


def _serve(
    owned: Sequence[Context | Weights | LazyReader], scheduler: Scheduler, inbox: SimpleQueue[Job | None], end: _End
) -> None:
    try:
        while not end.wanted.is_set():
            _take(inbox, scheduler)
            if not end.wanted.is_set():
                scheduler.step()
    except Exception as error:  # noqa: BLE001 - a defect; whoever waits should hear of it and not wait for ever
        _log.exception("the engine ends after an error of its own")
        end.cause = f"the engine ended by an error of its own ({type(error).__name__}: {error}); load the model again"
    finally:
        end.wanted.set()
        scheduler.fail_all(end.error)
        end.reached.set()
        _refuse(inbox, end)
        for thing in owned:
            thing.close()


def _take(inbox: SimpleQueue[Job | None], scheduler: Scheduler) -> None:
    """Let in who came; wait if there is nothing to do. At most one call is made, so that tasks go on between two."""
    while scheduler.idle or not inbox.empty():
        item = inbox.get()
        if isinstance(item, Task):
            scheduler.add(item)
        else:
            if item is not None:
                item.run()
            return


def _refuse(inbox: SimpleQueue[Job | None], end: _End) -> None:
    """Tell everybody who came too late."""
    with suppress(Empty):
        while True:
            item = inbox.get_nowait()
            if item is not None:
                item.fail(end.error())
