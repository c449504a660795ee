"""Until when something has to be done."""

from __future__ import annotations

import time

from .errors import DeadlineExceeded


class Deadline:
    """So many seconds after it is made, whether they are spent on work or on waiting; with None, never.

    Whoever waits looks at it, since the thread that works may be busy with something else, and so does whoever works,
    to do nothing that nobody waits for any longer.
    """

    def __init__(self, timeout: float | None) -> None:
        """Start the clock."""
        self._timeout = timeout
        self._start = time.monotonic()

    @property
    def left(self) -> float | None:
        """Seconds until it is too late, at least 0; None: that is never."""
        return None if self._timeout is None else max(0.0, self._start + self._timeout - time.monotonic())

    def within(self, seconds: float) -> float:
        """So many seconds, or those that are left if they are fewer."""
        return seconds if self.left is None else min(seconds, self.left)

    @property
    def exceeded(self) -> DeadlineExceeded | None:
        """What to raise once it is too late, until then None."""
        return None if self.left else self.error

    @property
    def error(self) -> DeadlineExceeded | None:
        """What to raise when it is too late; None: that is never."""
        return None if self._timeout is None else DeadlineExceeded(self._timeout)
