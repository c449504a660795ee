"""What rules cannot decide for a memory: whether two names are one entity, and whether a fact ends another.

The model chooses from what it is shown and can say nothing else: a grammar holds it to that. It sees the dates of
facts, without which "lives in Paris" and "lives in Berlin" contradict each other always.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.exceptions import OutputParserException

from ..prompts import load_prompt
from ..rag.llm.json_asking import ask_json
from ..stores.memory.reading.wording import shown
from ..stores.memory.types import Fact

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_LONGEST_TEXT = 1_500
_TOKENS_PER_CHOICE = 16


class MemoryJudge:
    """A `Judge` by an LLM, for `Memory(judge=...)`; an answer that cannot be read decides nothing.

    ```python
    from ragloom import load
    from ragloom.agents import MemoryJudge

    with load("embedded", n_ctx=1024, temperature=0) as llm:
        choice = MemoryJudge(llm).same_entity("Munich", "We flew to Munich.", ["Berlin", "München"])
        print(choice in (0, 1, None))  # -> True
    ```
    """

    def __init__(self, llm: BaseChatModel, *, cancelled: threading.Event | None = None) -> None:
        """Ask `llm`.

        Args:
            llm: any LangChain chat model; one of ragloom's is held to the choices by a grammar.
            cancelled: may be set from any thread when nobody waits any longer; then the judge raises `Cancelled`.
        """
        self.llm = llm
        self.cancelled = cancelled

    def same_entity(self, name: str, said: str, others: Sequence[str]) -> int | None:
        """Which of the other names stands for the same as `name` does in the text `said`; None: none of them."""
        choices = list(dict.fromkeys(others))
        prompt = load_prompt("same_entity").render(
            text=said[:_LONGEST_TEXT], name=name, names=json.dumps(choices, ensure_ascii=False)
        )
        reply = self._ask(prompt, "same", {"enum": [*choices, None]}, max_tokens=len(json.dumps(choices)) + 16)
        return others.index(reply) if isinstance(reply, str) and reply in choices else None

    def contradicted(self, fact: Fact, others: Sequence[Fact]) -> list[int]:
        """Which of the other facts cannot hold any longer once `fact` holds, by their places."""
        numbers = [str(number) for number in range(1, len(others) + 1)]
        listed = "\n".join(f"{number}. {_shown(other)}" for number, other in zip(numbers, others, strict=True))
        prompt = load_prompt("contradicted").render(facts=listed, fact=_shown(fact))
        form = {"type": "array", "maxItems": len(others), "items": {"enum": numbers}}
        reply = self._ask(prompt, "ended", form, max_tokens=_TOKENS_PER_CHOICE * (len(others) + 1))
        ended = reply if isinstance(reply, list) else []
        return sorted({numbers.index(number) for number in ended if number in numbers})

    def _ask(self, prompt: Sequence[Any], name: str, form: dict[str, Any], *, max_tokens: int) -> Any:
        schema = {
            "title": name,
            "description": "What the judge decides.",
            "type": "object",
            "properties": {name: form},
            "required": [name],
            "additionalProperties": False,
        }
        try:
            reply = ask_json(self.llm, prompt, schema, max_tokens=max_tokens, cancelled=self.cancelled)
        except OutputParserException:
            return None
        return reply.get(name) if isinstance(reply, Mapping) else None


def _shown(fact: Fact) -> str:
    return f"{fact.statement} ({shown(fact.valid)})"
