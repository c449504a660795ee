"""llama.cpp's log lines go to Python's `logging`, never to the terminal.

llama.cpp has one log callback per process. On import `llama_cpp` installs one that prints to stderr; `route_logs` puts
ours in its place. Ours sits at module level because llama.cpp keeps a bare pointer to it: the function must live as
long as the process. The lines arrive at the logger `ragloom.rag.llm.logs`.
"""

from __future__ import annotations

import ctypes
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import llama_cpp

_log = logging.getLogger(__name__)

_WARN, _ERROR = 3, 4  # of enum ggml_log_level


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def _to_logging(level: int, text: bytes, _user_data: ctypes.c_void_p) -> None:
    # A load writes hundreds of lines of info, and a smaller n_ctx than the model could have is already a warning.
    ours = {_WARN: logging.INFO, _ERROR: logging.ERROR}.get(level, logging.DEBUG)
    if _log.isEnabledFor(ours) and text.strip():
        _log.log(ours, "%s", text.decode("utf-8", "replace").rstrip())


def route_logs() -> None:
    """Send llama.cpp's lines to `logging`; an application that has not configured it sees none of them."""
    if _errors not in _log.handlers:
        _log.addHandler(_errors)
    llama_cpp.llama_log_set(_to_logging, ctypes.c_void_p(0))


class _Errors(logging.Handler):
    """Keeps the errors of each thread that collects them, to tell the user why a call of llama.cpp returned nothing."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.collected = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        for lines in getattr(self.collected, "lists", ()):  # the line is handled in the thread that caused it
            lines.append(record.getMessage())


_errors = _Errors()


@contextmanager
def collect_errors() -> Iterator[list[str]]:
    """Collect what llama.cpp complains about in this thread; the list grows while the `with` block runs."""
    lines: list[str] = []
    lists: list[list[str]] = getattr(_errors.collected, "lists", [])
    _errors.collected.lists = [*lists, lines]
    try:
        yield lines
    finally:
        _errors.collected.lists = lists


def reason(errors: list[str]) -> str:
    """The most telling of llama.cpp's complaints, without the name of the C function that made it."""
    telling = [line for line in errors if "failed to load model" not in line] or errors
    return telling[0].split(": ", 1)[-1] if telling else "llama.cpp gave no reason"
