"""Full-generation listwise reranking, as RankGPT and RankZephyr do it: the baseline of FIRST.

Everything but the answer is FIRST's: the prompt, the windows, the room for passages. The model writes the whole order,
`[B] > [A] > ...`, greedily. What it leaves out comes after what it names, in the order in which it was listed; what it
names twice counts once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

from langchain_core.messages import AIMessage
from pydantic import Field
from ragloom.prompts import load_prompt
from ragloom.rag.llm import ChatModel
from ragloom.rag.rerank import Reranker
from ragloom.rag.rerank.list_prompt import IDENTIFIERS, Line, ListPrompt
from ragloom.rag.rerank.types import Passage, Scores
from ragloom.rag.rerank.windows import slide

TOKENS_PER_PASSAGE = 5  # "[A] > " is four in most vocabularies
_NAMED = re.compile(r"\[\s*([A-Z])\s*\]")


class ListwiseReranker(Reranker):
    """Ranks by the order that the model writes; a document's score is its place, below 0.

    Attributes:
        llm: any chat model.
        window: how many documents are ranked at once.
        step: how many of a window's documents have their place then, fewer than `window`.
    """

    llm: ChatModel
    window: int = Field(default=20, ge=2, le=len(IDENTIFIERS))
    step: int = Field(default=10, ge=1)

    @cached_property
    def _prompt(self) -> ListPrompt:
        return ListPrompt(self.llm, load_prompt("first"))

    def _score(self, query: str, passages: Sequence[Passage]) -> Scores:
        lines = [self._prompt.line(passage) for passage in passages]
        answers: list[AIMessage] = []
        unnamed = 0

        def read(places: Sequence[int]) -> list[float]:
            nonlocal unnamed
            answers.append(self._ask(query, [lines[place] for place in places]))
            named = named_places(answers[-1].text, len(places))
            unnamed += len(places) - len(named)
            order = [*named, *(at for at in range(len(places)) if at not in named)]
            return [-float(order.index(at)) for at in range(len(places))]

        scores = slide(len(lines), read, window=self.window, step=self.step)
        order = sorted(range(len(lines)), key=lambda place: -scores[place])
        usage = [answer.usage_metadata for answer in answers if answer.usage_metadata]
        return Scores(
            [-float(order.index(place)) for place in range(len(lines))],
            evaluated=sum(each["input_tokens"] for each in usage),
            notes=(f"{sum(each['output_tokens'] for each in usage)} tokens generated, {unnamed} documents not named",),
        )

    def _ask(self, query: str, lines: Sequence[Line]) -> AIMessage:
        longest = TOKENS_PER_PASSAGE * len(lines)

        def ask(texts: list[str]) -> AIMessage:
            return self.llm.invoke(self._prompt.messages(query, texts), temperature=0.0, max_tokens=longest)

        return self._prompt.asked(query, lines, ask, answer=longest)[0]


def named_places(answer: str, number: int) -> list[int]:
    """The places of the passages that an answer names, each once."""
    named = [IDENTIFIERS.index(letter) for letter in _NAMED.findall(answer)]
    return list(dict.fromkeys(at for at in named if at < number))
