"""The prompt of ICR in tokens: what stands before the passages, the passages, and what follows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from string import Template

from ...prompts import Prompt
from ..llm.engine import LlamaEngine
from ..llm.template import ChatTemplate
from .errors import RerankError
from .types import Passage

_GAP = "$paragraphs"
_BETWEEN = "\n\n"


@dataclass(frozen=True, slots=True)
class PassageTokens:
    """A passage as the model reads it.

    Attributes:
        tokens: the passage's own, then those that part it from the next one.
        own: how many are its own; the attention to the others counts for nobody.
        before: how many bytes of them stand before the passage: its number.
        is_cut: whether the passage goes on.
    """

    tokens: list[int]
    own: int
    before: int
    is_cut: bool = False

    def __len__(self) -> int:
        return len(self.tokens)

    def cut(self, length: int | None) -> PassageTokens:
        """The passage without the end of its text, at most `length` tokens long; None: as it is."""
        over = 0 if length is None else len(self.tokens) - length
        if over <= 0:
            return self
        own = self.own - over
        return PassageTokens(self.tokens[:own] + self.tokens[self.own :], own, self.before, is_cut=True)


class IcrPrompt:
    """Puts a prompt and a chat template around passages and queries. Texts of users are only text."""

    def __init__(self, engine: LlamaEngine, prompt: Prompt) -> None:
        """Read what does not depend on passages and query.

        Raises:
            ModelError: the model has no chat template.
            RerankError: the prompt has no `$paragraphs`, with `$query` after it.
        """
        before, found, after = prompt.user.partition(_GAP)
        if not found or not Template(after).is_valid() or set(Template(before + after).get_identifiers()) != {"query"}:
            raise RerankError(f"the prompt {prompt.name!r} should have {_GAP} and after it $query, and nothing else")
        self._tokenize = partial(engine.weights.tokenize_plain, within=True)
        begin, self._end = ChatTemplate(engine.weights).frame()
        self.preamble = [*begin, *self._tokenize(before)]
        self._between = self._tokenize(_BETWEEN)
        self._after = Template(after.removeprefix(_BETWEEN))

    def passage(self, passage: Passage, number: int | None = None) -> PassageTokens:
        """A passage, with its number where it has one."""
        mark = "" if number is None else f"[{number}] "
        own = self._tokenize(f"{mark}{passage}")
        return PassageTokens([*own, *self._between], len(own), len(mark))

    def tail(self, query: str) -> list[int]:
        """What follows the passages: instruction, query, and what the chat template adds."""
        return [*self._tokenize(self._after.substitute(query=query.strip())), *self._end]

    def taken(self, queries: Sequence[str]) -> int:
        """How many tokens there are beside the passages, with a tail for each of the queries."""
        return len(self.preamble) + sum(len(self.tail(query)) for query in queries)
