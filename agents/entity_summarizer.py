"""A summary of an entity of a memory, by an LLM that is shown what is known of it and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..prompts import load_prompt
from ..rag.llm.thinking import after_thinking

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_MOST_STATEMENTS = 40


class EntitySummarizer:
    """A `Summarizer` by an LLM, for `Memory(summarizer=...)`.

    ```python
    from ragloom import load
    from ragloom.agents import EntitySummarizer

    with load("embedded", n_ctx=1024, max_tokens=40) as llm:
        print(bool(EntitySummarizer(llm).summarize("Ann", ["Ann lives in Berlin", "Ann likes tea"])))  # -> True
    ```
    """

    def __init__(self, llm: BaseChatModel) -> None:
        """Ask `llm`: any LangChain chat model."""
        self.llm = llm

    def summarize(self, name: str, statements: Sequence[str]) -> str:
        """A few sentences about `name`, by what is known of it."""
        shown = "\n".join(f"- {statement}" for statement in statements[:_MOST_STATEMENTS])
        return after_thinking(self.llm.invoke(load_prompt("summarize_entity").render(name=name, facts=shown)).text)
