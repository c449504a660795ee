"""Until when something has to be done."""

from __future__ import annotations

import time

from ..errors import DeadlineExceeded


class Deadline:
    """So many seconds after it is made, whether they are spent on work or on waiting; with None, never."""

    def __init__(self, timeout: float | None) -> None:
        """Start the clock."""
        self._timeout = timeout
        self._start = time.monotonic()

    @property
    def exceeded(self) -> DeadlineExceeded | None:
        """What to raise once it is too late, until then None."""
        if self._timeout is None or time.monotonic() <= self._start + self._timeout:
            return None
        return DeadlineExceeded(self._timeout)
