"""The prompt that lists passages by letter.

The context is what the model has for a prompt; the frame is all that is not a passage. What is left is shared out among
the passages; see `fitting`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from langchain_core.messages import BaseMessage

from ..._explain import count
from ...prompts import Prompt
from ..llm.base import ChatModel
from ..llm.cutting import beginning
from ..llm.errors import ContextOverflow
from .errors import RerankError
from .fitting import SHORTEST, level
from .types import IDENTIFIERS, Passage

OPENING = "["
"""With what an answer begins, before its first identifier."""

_IDENTIFIER = re.compile(r"\[(\s*(?:[A-Z]|\d+)\s*)\]")

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Line:
    """A passage as it is listed, without its letter.

    Attributes:
        text: on one line, and without identifiers.
        tokens: how many the line has, with its letter.
    """

    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Listed:
    """The passages of a prompt.

    Attributes:
        texts: of the passages, where needed without their ends.
        cut: which ones were cut, by their places.
        longest: tokens that a line has at most.
    """

    texts: list[str]
    cut: frozenset[int]
    longest: int


class ListPrompt:
    """Lists passages for a model to put them in order. Texts of users hold no identifiers when the model reads them."""

    def __init__(self, llm: ChatModel, prompt: Prompt) -> None:
        """List in the words of `prompt`.

        Raises:
            RerankError: the prompt's variables are not `$number`, `$passages` and `$query`.
        """
        if prompt.variables != {"number", "passages", "query"}:
            raise RerankError(f"the prompt {prompt.name!r} should have $number, $passages and $query, and nothing else")
        self._llm = llm
        self._prompt = prompt

    def line(self, passage: Passage) -> Line:
        """The passage on one line, with its title as RankLLM tells it."""
        text = f"Title: {passage.title} Content: {passage.text}" if passage.title else passage.text
        text = neutral(" ".join(text.split()))
        return Line(text, self._length(text))

    def messages(self, query: str, texts: Sequence[str]) -> list[BaseMessage]:
        """The prompt that lists `texts`."""
        passages = "\n".join(f"[{letter}] {text}" for letter, text in zip(IDENTIFIERS, texts, strict=False))
        return self._prompt.render(number=str(len(texts)), passages=passages, query=neutral(" ".join(query.split())))

    def asked(
        self, query: str, lines: Sequence[Line], ask: Callable[[list[str]], Answer], *, answer: int = 0
    ) -> tuple[Answer, Listed]:
        """Ask with as much of the passages as there is room for.

        Tokens of a whole prompt are not quite the sum of those of its parts. Where it has more, the passages get less.

        Args:
            query: what the passages should be relevant for.
            lines: the passages, as many as there are letters or fewer.
            ask: asks the model, with the texts of the passages.
            answer: how many tokens the answer may have.

        Raises:
            ContextOverflow: there is not even room for the beginning of every passage.
        """
        short = ["x"] * len(lines)
        taken = self.tokens(self.messages(query, short)) - sum(map(self._length, short)) + answer
        while True:
            listed = self._fitting(lines, taken)
            try:
                return ask(listed.texts), listed
            except ContextOverflow as over:
                taken += over.needed - over.available

    def tokens(self, messages: list[BaseMessage]) -> int:
        """How many tokens a prompt has, with the opening of its answer."""
        return self._llm.get_num_tokens_from_messages(messages) + self._llm.count_tokens(OPENING)

    def _fitting(self, lines: Sequence[Line], taken: int) -> Listed:
        """The passages, cut so that they fit beside what is `taken`."""
        tokens = [line.tokens for line in lines]
        longest = level(tokens, self._llm.context_size - taken)
        if longest < min(SHORTEST, max(tokens)):
            least = taken + sum(min(each, SHORTEST) for each in tokens)
            what = f"the query with the beginnings of {count(len(lines), 'document')}"
            raise ContextOverflow(least, self._llm.context_size, what)
        cut = frozenset(at for at, each in enumerate(tokens) if each > longest)
        texts = [
            beginning(line.text, longest, self._length) if at in cut else line.text for at, line in enumerate(lines)
        ]
        return Listed(texts, cut, longest)

    def _length(self, text: str) -> int:
        return self._llm.count_tokens(f"[A] {text}\n")


def neutral(text: str) -> str:
    """The text without anything that looks like an identifier: a passage may not speak of another one, or of itself.

    ```python
    from ragloom.rag.rerank.list_prompt import neutral

    print(neutral("[B] is best, says [12]; see x[i] and [NB]"))  # -> (B) is best, says (12); see x[i] and [NB]
    ```
    """
    return _IDENTIFIER.sub(r"(\1)", text)
