"""What every LLM of ragloom can do, whether it runs in this process or behind a URL."""

from __future__ import annotations

from abc import abstractmethod
from types import TracebackType
from typing import Self

from langchain_core.language_models import BaseChatModel


class ChatModel(BaseChatModel):
    """A LangChain chat model that also knows its context, counts tokens and can be closed.

    ```python
    from ragloom import load

    with load("embedded", n_ctx=2048) as llm:
        print(llm.context_size, llm.count_tokens("Toad steals a motor-car."))  # -> 2048 9
    ```
    """

    @property
    @abstractmethod
    def context_size(self) -> int:
        """Room for prompt and answer together, in tokens."""

    @abstractmethod
    def count_tokens(self, text: str) -> int:
        """How many tokens `text` is."""

    @abstractmethod
    def close(self) -> None:
        """Free what the model holds in this process; a second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
