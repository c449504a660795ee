"""How many tokens the LLM reads and writes in a node: LangChain tells of answers, `rag/llm/usage.py` of the rest."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.tracers.context import register_configure_hook

from ...llm.usage import counter


class TokenCount(BaseCallbackHandler):
    """Tokens of all the LLM's calls within `count_tokens`.

    Attributes:
        read: tokens of prompts.
        written: tokens of replies.
        reused: those of `read` that were in the LLM's cache.
    """

    def __init__(self) -> None:
        """Nothing has been counted yet."""
        self.read = self.written = self.reused = 0
        self._lock = threading.Lock()  # a node may ask several at once

    def add(self, *, read: int, written: int, reused: int) -> None:
        """Count so many more."""
        with self._lock:
            self.read += read
            self.written += written
            self.reused += reused

    def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        """Add what a call says of itself; a model that says nothing counts as 0."""
        for generation in (each for group in response.generations for each in group):
            message = generation.message if isinstance(generation, ChatGeneration) else None
            usage = message.usage_metadata if isinstance(message, AIMessage) else None
            if usage:
                reused = (usage.get("input_token_details") or {}).get("cache_read") or 0
                self.add(read=usage["input_tokens"], written=usage["output_tokens"], reused=reused)


register_configure_hook(counter, inheritable=True)


@contextmanager
def count_tokens() -> Iterator[TokenCount]:
    """Count the tokens of every model that is called within, in threads with a copied context too."""
    count = TokenCount()
    before = counter.set(count)
    try:
        yield count
    finally:
        counter.reset(before)


def tokens_so_far() -> TokenCount:
    """What has been counted in the node that is running."""
    counting = counter.get()
    return counting if isinstance(counting, TokenCount) else TokenCount()
