"""Facts of a message or a text, by an LLM that is held to JSON, and by the text itself.

Small models invent: they fill in what they know, or what the prompt's example has. So a fact is kept only if its
subject and its object occur in the text, and what is dropped is reported. (To let the grammar choose them from the
text's own words is worse: what was invented before then is some pair of words, which nothing gives away.) Relations
are chosen from a list where one is given, which helps a small model more than any instruction. Times are not asked
for: the memory reads them from the text.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.exceptions import OutputParserException

from ..prompts import load_prompt
from ..rag.llm.json_asking import ask_json
from ..stores.memory.checks import relation_name
from ..stores.memory.errors import MemoryValueError
from ..stores.memory.extracting import Dropped, Extraction, only_said
from ..stores.memory.types import Episode, Fact

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_TOKENS_PER_FACT = 64
_LONGEST_NAME = 80


class FactExtractor:
    """An `Extractor` by an LLM, for `Memory(extractor=...)`.

    ```python
    from datetime import datetime, timezone
    from ragloom import load
    from ragloom.agents import FactExtractor
    from ragloom.stores.memory import Episode

    said = Episode("I live in Paris.", datetime(2024, 3, 5, tzinfo=timezone.utc), source="Ann")
    with load("embedded", n_ctx=1024, temperature=0) as llm:
        extraction = FactExtractor(llm, relations=["lives_in", "works_for"]).extract(said)
        print(all(fact.object in "Ann: I live in Paris." for fact in extraction.facts))  # -> True
    ```
    """

    def __init__(
        self,
        llm: BaseChatModel,
        *,
        relations: Sequence[str] = (),
        most: int = 5,
        window: int = 1_500,
        cancelled: threading.Event | None = None,
    ) -> None:
        """Ask `llm` for facts.

        Args:
            llm: any LangChain chat model; one of ragloom's is held to the form by a grammar.
            relations: those that it may use; empty: any.
            most: facts of a window of text.
            window: characters of text that are read at once.
            cancelled: may be set from any thread when nobody waits any longer; then `extract` raises `Cancelled`.
        """
        self.llm = llm
        self.relations = tuple(relation_name(relation) for relation in relations)
        self.most = most
        self.window = window
        self.cancelled = cancelled

    def extract(self, episode: Episode) -> Extraction:
        """The facts that an episode tells; what does not occur in it is dropped and reported."""
        facts: dict[Fact, None] = {}
        dropped: list[Dropped] = []
        for text in _windows(episode.content, self.window):
            for given in self._ask(episode, text, dropped):
                try:
                    fact = Fact(given["subject"], given["relation"], given["object"])
                except (KeyError, TypeError, MemoryValueError) as error:
                    dropped.append(Dropped(f"{given!r:.200}", f"it is no fact: {error}"))
                else:
                    facts.setdefault(fact)
        extraction = only_said(episode, facts)
        return Extraction(extraction.facts, (*dropped, *extraction.dropped))

    def _ask(self, episode: Episode, text: str, dropped: list[Dropped]) -> list[Any]:
        prompt = load_prompt("extract_facts").render(source=episode.source, text=text)
        try:
            reply = ask_json(
                self.llm, prompt, self._schema(), max_tokens=_TOKENS_PER_FACT * self.most, cancelled=self.cancelled
            )
        except OutputParserException as error:
            dropped.append(Dropped(f"{text!r:.80}", f"the LLM's answer cannot be read: {error}"[:300]))
            return []
        facts = reply.get("facts") if isinstance(reply, Mapping) else None
        return facts if isinstance(facts, list) else []

    def _schema(self) -> dict[str, Any]:
        name = {"type": "string", "minLength": 1, "maxLength": _LONGEST_NAME}
        relation = {"enum": list(self.relations)} if self.relations else name
        return {
            "title": "facts",
            "description": "The facts that the text states.",
            "type": "object",
            "properties": {
                "facts": {
                    "type": "array",
                    "maxItems": self.most,
                    "items": {
                        "type": "object",
                        "properties": {"subject": name, "relation": relation, "object": name},
                        "required": ["subject", "relation", "object"],
                        "additionalProperties": False,
                    },
                }
            },
            "required": ["facts"],
            "additionalProperties": False,
        }


def _windows(text: str, size: int) -> Iterator[str]:
    """Pieces of a text of at most `size` characters, cut after a sentence where one ends in their second half."""
    while text.strip():
        end = size
        if len(text) > size:
            stops = [text.rfind(stop, size // 2, size) + len(stop) for stop in (". ", "! ", "? ", "\n")]
            end = max(stops) if max(stops) > size // 2 else size
        yield text[:end].strip()
        text = text[end:]
