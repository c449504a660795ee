"""What an LLM reads without answering, told to whoever counts tokens.

LangChain tells its callbacks of answers. Of a next token's probabilities, and of attention, nobody would hear.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol


class Counter(Protocol):
    """Counts tokens; from any thread."""

    def add(self, *, read: int, written: int, reused: int) -> None:
        """Count so many more; `reused` are those of `read` that the LLM had read before."""


counter: ContextVar[Counter | None] = ContextVar("ragloom_counter", default=None)
"""Who counts what is read in this context, and in threads with a copy of it."""


def add_read(read: int, reused: int) -> None:
    """Tell the counter, if there is one."""
    if counting := counter.get():
        counting.add(read=read, written=0, reused=reused)
