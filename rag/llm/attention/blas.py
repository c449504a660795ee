"""numpy's matrix products in one thread while llama.cpp computes.

OpenBLAS's threads spin for a while after each product, on the CPUs that llama.cpp's threads wait for: 64 tokens of
tails over 3,160 cells and 19 layers took 500 ms with them and 300 ms without.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any

from threadpoolctl import ThreadpoolController


class OneThread:
    """Keeps BLAS to one thread as long as anybody is within, in whatever thread of the process.

    ```python
    from ragloom.rag.llm.attention.blas import OneThread

    with OneThread() as one, one:
        pass
    ```
    """

    def __init__(self) -> None:
        """Nobody is within yet."""
        self._lock = threading.Lock()
        self._within = 0
        self._controller: Any = None
        self._limiter: Any = None

    def __enter__(self) -> OneThread:
        """Limit BLAS, if nobody else has."""
        with self._lock:
            if not self._within:
                self._controller = self._controller or ThreadpoolController()  # looks through all loaded libraries
                self._limiter = self._controller.limit(limits=1, user_api="blas")
            self._within += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give BLAS its threads back, when the last one leaves."""
        with self._lock:
            self._within -= 1
            if not self._within:
                self._limiter.restore_original_limits()


one_thread = OneThread()
"""The one of this process."""
