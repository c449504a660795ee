"""What was worked out of a corpus, kept until the corpus changes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from .database import State

Value = TypeVar("Value")


class Remembered:
    """Values by name, all of one state of the corpus; safe to use from several threads."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._lock = threading.RLock()
        self._state: State | None = None
        self._values: dict[str, Any] = {}

    def get(self, name: str, state: State, make: Callable[[], Value]) -> Value:
        """The value of that name, made if it was made of another `state`; whoever asks meanwhile waits for it."""
        with self._lock:
            if self._state != state:
                self._state, self._values = state, {}
            if name not in self._values:
                self._values[name] = make()
            value: Value = self._values[name]
            return value
