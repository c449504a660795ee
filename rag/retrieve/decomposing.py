"""A question divided into simpler ones, each of which can be searched for by itself.

"Is the Danube longer than the Rhine?" is answered by two documents, of which neither is near to the question. An LLM
names what would have to be looked up (decomposed prompting: Khot et al., ICLR 2023; in Modular RAG, Gao et al. 2024, a
branching flow whose branches are fused). Its answer is held to a list of texts; of those, what repeats the question or
another one is left out, and what is about something else too (see `wording`).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import BaseChatModel
from pydantic import Field

from ..._explain import count
from ...prompts import load_prompt
from ..llm.asked import asked_text
from ..llm.json_asking import ask_json
from ..llm.step import Step
from .errors import RewritingError
from .wording import is_about, says_the_same

MOST = 3
"""How many questions one is divided into at most."""

_TOKENS_EACH = 64


@dataclass(frozen=True, slots=True)
class Decomposed:
    """The simpler questions.

    Attributes:
        questions: none where the question cannot be divided.
        notes: what was left out and why, in words.
        has_failed: whether the LLM has, so that another time something else may come of it.
    """

    questions: tuple[str, ...]
    notes: tuple[str, ...]
    has_failed: bool = False


class Decomposer(Step[str, Decomposed]):
    """Divides a question into simpler ones; a LangChain Runnable, which refuses an empty question: `RewritingError`.

    ```python
    from ragloom import load
    from ragloom.rag.retrieve import Decomposer

    with load("embedded", n_ctx=2048) as llm:
        decomposed = Decomposer(llm=llm).invoke("Is parental leave longer in Rome than in Oslo?")
    print(len(decomposed.questions) <= 3)  # -> True
    ```

    Attributes:
        llm: any LangChain chat model; ragloom's own cannot leave the form of the answer.
        most: how many questions there are at most.
        language: in which words are compared: a code such as `en`, or `other`.
    """

    llm: BaseChatModel
    most: int = Field(default=MOST, ge=1)
    language: str = "en"

    def _make(self, question: str, cancelled: threading.Event) -> Decomposed:
        if not asked_text(question).strip():
            raise RewritingError("the question is empty; ask something")
        prompt = load_prompt("decompose").render(question=question, most=str(self.most))
        try:
            reply = ask_json(
                self.llm, prompt, schema(self.most), max_tokens=_TOKENS_EACH * self.most, cancelled=cancelled
            )
        except OutputParserException as error:
            why = " ".join(str(error).split())[:200]
            return Decomposed((), (f"the LLM's answer cannot be read: {why}",), has_failed=True)
        written = reply.get("questions") if isinstance(reply, Mapping) else None
        if not isinstance(written, list):
            return Decomposed((), (f"the LLM's answer cannot be read: {reply!r:.80}",), has_failed=True)
        return self._sifted(question, [" ".join(str(each).split()) for each in written])

    def _sifted(self, question: str, written: list[str]) -> Decomposed:
        kept: list[str] = []
        notes = []
        for each in filter(None, written):
            if any(says_the_same(each, other) for other in (question, *kept)):
                notes.append(f"left out, for it was asked already: {each:.80}")
            elif not is_about(each, question, language=self.language):
                notes.append(f"left out, for it is about something else: {each:.80}")
            elif len(kept) == self.most:
                notes.append(f"left out, for there are {self.most} already: {each:.80}")
            else:
                kept.append(each)
        told = count(len(kept), "question") if kept else "the question is not divided"
        return Decomposed(tuple(kept), (told, *notes))


def schema(most: int) -> dict[str, Any]:
    """The JSON Schema of an answer: a list of one to `most` questions."""
    return {
        "title": "decomposed",
        "description": "Simpler questions that can be looked up one by one.",
        "type": "object",
        "properties": {
            "questions": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": most},
        },
        "required": ["questions"],
        "additionalProperties": False,
    }
