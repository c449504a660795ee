"""Nodes that read and write a memory: what is known from earlier conversations, and what this one adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from ...._explain import count
from ....stores.layout import DEFAULT_MEMORY
from ....stores.types import Hit
from ..context import Context
from ..node_type import node
from ..state import RagState, Update
from .retrieving import HowMany

if TYPE_CHECKING:
    from ....stores.memory import Group
    from ....stores.memory.extracting import Extractor

Text = Annotated[str, Field(min_length=1)]


class _OfMemory(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    path: Text = str(DEFAULT_MEMORY)
    """the memory's file; it is made where there is none."""

    group: Text = "default"
    """whose memory: a user, a project, an agent."""

    embedder: Text = "embedded"
    """the memory's embedder, a model's name or folder."""

    def _open(self, context: Context) -> Group:
        from ....stores.memory import Memory

        opened = context.once(("memory", self.path, self.embedder), lambda: Memory(self.path, embedder=self.embedder))
        return opened.group(self.group)


@node("recall", reads={"query"}, writes={"memory", "documents", "candidates"})
class Recall(_OfMemory):
    """Search a memory: what was said and what is known, at the time that the question asks about."""

    k: HowMany = 10
    """how many episodes, facts and entities to find."""

    def __call__(self, state: RagState, context: Context) -> Update:
        """Recall."""
        from ....stores.memory.langchain import as_document

        group = self._open(context)
        context.check_cancelled()
        hits = group.search(state.query, self.k)
        context.note(count(len(hits), "hit"))
        for note in hits.notes:
            context.note(note)
        documents = [Hit(as_document(hit), hit.score, hit.rank) for hit in hits]
        return {
            "memory": [hit.document for hit in documents],
            "documents": documents,
            "candidates": {context.node: documents},
        }


class _Remembering(_OfMemory):
    user: Text = "user"
    """who asked, as the source of the question."""

    assistant: Text = "assistant"
    """who answered; an "I don't know" is not remembered."""

    def _remember(self, state: RagState, context: Context, extractor: Extractor | None) -> Update:
        from datetime import timedelta

        from ....stores.memory import Episode

        group = self._open(context)
        now = group.now()
        said = [(self.user, state.question)]
        if state.answer is not None and state.answer.known:
            said.append((self.assistant, " ".join(each.text for each in state.answer.statements)))
        facts = 0
        for place, (source, text) in enumerate(said):
            context.check_cancelled()
            episode = Episode(text, now + timedelta(microseconds=place), source)
            facts += len(group.remember(episode, extractor=extractor if source == self.user else None).facts)
        context.note(f"{count(len(said), 'episode')}, {count(facts, 'fact')}")
        return {}


@node("remember", reads={"question", "answer"})
class Remember(_Remembering):
    """Keep the question and the answer in a memory, to be found later."""

    def __call__(self, state: RagState, context: Context) -> Update:
        """Remember."""
        return self._remember(state, context, None)


@node("remember-facts", reads={"question", "answer"}, needs={"llm"})
class RememberFacts(_Remembering):
    """Keep the question and the answer in a memory, and the facts that the LLM finds in the question."""

    relations: list[str] = []
    """relations that facts may have; by default any."""

    def __call__(self, state: RagState, context: Context) -> Update:
        """Remember."""
        from ....agents import FactExtractor

        return self._remember(state, context, FactExtractor(context.llm, relations=self.relations))
