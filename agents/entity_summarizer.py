"""A summary of an entity of a memory, by an LLM that is shown what is known of it and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..prompts import load_prompt
from ..rag.llm.replying import reply

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_MOST_STATEMENTS = 40


class EntitySummarizer:
    """A `Summarizer` by an LLM, for `Memory(summarizer=...)`.

    ```python
    from ragloom import load
    from ragloom.agents import EntitySummarizer

    with load("embedded", n_ctx=1024) as llm:
        summarizer = EntitySummarizer(llm, max_tokens=40)
        print(bool(summarizer.summarize("Ann", ["Ann lives in Berlin", "Ann likes tea"])))  # -> True
    ```
    """

    def __init__(self, llm: BaseChatModel, *, max_tokens: int = 512, cancelled: threading.Event | None = None) -> None:
        """Ask `llm`.

        Args:
            llm: any LangChain chat model.
            max_tokens: where a summary is cut off.
            cancelled: may be set from any thread when nobody waits any longer; then `summarize` raises `Cancelled`.
        """
        self.llm = llm
        self.max_tokens = max_tokens
        self.cancelled = cancelled

    def summarize(self, name: str, statements: Sequence[str]) -> str:
        """A few sentences about `name`, by what is known of it."""
        shown = "\n".join(f"- {statement}" for statement in statements[:_MOST_STATEMENTS])
        prompt = load_prompt("summarize_entity").render(name=name, facts=shown)
        return reply(self.llm, prompt, max_tokens=self.max_tokens, cancelled=self.cancelled).text
