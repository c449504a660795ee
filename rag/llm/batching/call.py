"""Something else than a task for the thread that owns a context: it takes long, and is done between two steps."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ..attention.tap import Interrupt
from ..deadline import Deadline
from ..errors import Cancelled, EngineClosed
from .tasks import Sink

CLOSED = "the model was closed while it answered"


class Call:
    """Calls a function, which asks now and then whether it should go on; tells what that returns or raises.

    Attributes:
        deadline: after which nobody waits any longer.
    """

    def __init__(
        self,
        function: Callable[[Interrupt], Any],
        sink: Sink,
        *,
        stopping: threading.Event,
        deadline: Deadline,
        cancelled: threading.Event | None = None,
    ) -> None:
        """Call `function` unless one of these events is set, and until then."""
        self.deadline = deadline
        self._function = function
        self._sink = sink
        self._stopping = stopping
        self._given = cancelled
        self._cancelled = False

    def run(self) -> None:
        """Do it, in the engine's thread."""
        try:
            self._interrupt()
            result = self._function(self._interrupt)
        except Exception as error:  # noqa: BLE001 - the caller raises it
            result = error
        self._sink(result)

    def cancel(self) -> None:
        """Nobody waits for the result any more; from any thread."""
        self._cancelled = True

    def fail(self, error: Exception) -> None:
        """Tell the caller why it is not done."""
        self._sink(error)

    def _interrupt(self) -> None:
        if self._stopping.is_set():
            raise EngineClosed(CLOSED)
        if self._cancelled or (self._given and self._given.is_set()):
            raise Cancelled
        if late := self.deadline.exceeded:
            raise late
