"""How many tokens an LLM reads and writes: LangChain tells of answers, `usage` of the rest."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.tracers.context import register_configure_hook

from .usage import counter


class TokenCount(BaseCallbackHandler):
    """Tokens of all the LLM's calls within `count_tokens`.

    Attributes:
        read: tokens of prompts.
        written: tokens of replies.
        reused: those of `read` that were in the LLM's cache.
    """

    def __init__(self, around: TokenCount | None = None) -> None:
        """Nothing has been counted yet; what will be, `around` counts too."""
        self._around = around
        self._heard: set[UUID] = set()
        self.read = self.written = self.reused = 0
        self._lock = threading.Lock()  # a node may ask several at once

    def add(self, *, read: int, written: int, reused: int) -> None:
        """Count so many more."""
        with self._lock:
            self.read += read
            self.written += written
            self.reused += reused
        if self._around:
            self._around.add(read=read, written=written, reused=reused)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        """Add what a call says of itself; a model that says nothing counts as 0."""
        self._add_told(run_id, list(_told(response)))

    def _add_told(self, run_id: UUID, told: Sequence[UsageMetadata]) -> None:
        """Add what a call has told, once: LangChain may tell the counter around this one, too."""
        with self._lock:
            if run_id in self._heard:
                return
            self._heard.add(run_id)
            for usage in told:
                self.read += usage["input_tokens"]
                self.written += usage["output_tokens"]
                self.reused += (usage.get("input_token_details") or {}).get("cache_read") or 0
        if self._around:
            self._around._add_told(run_id, told)


def _told(response: LLMResult) -> Iterator[UsageMetadata]:
    for generation in (each for group in response.generations for each in group):
        message = generation.message if isinstance(generation, ChatGeneration) else None
        if isinstance(message, AIMessage) and message.usage_metadata:
            yield message.usage_metadata


register_configure_hook(counter, inheritable=True)


@contextmanager
def count_tokens() -> Iterator[TokenCount]:
    """Count the tokens of every model that is called within, in threads with a copied context too.

    ```python
    from ragloom import load
    from ragloom.rag.llm.counting import count_tokens

    with load("embedded", n_ctx=512) as llm, count_tokens() as counted:
        llm.invoke("Toad")
    print(counted.read > 0, counted.written > 0)  # -> True True
    ```
    """
    count = TokenCount(_counting())
    before = counter.set(count)
    try:
        yield count
    finally:
        counter.reset(before)


def tokens_so_far() -> TokenCount:
    """What has been counted where one counts, such as in the node that is running."""
    return _counting() or TokenCount()


def _counting() -> TokenCount | None:
    found = counter.get()
    return found if isinstance(found, TokenCount) else None
