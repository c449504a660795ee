"""Nodes that read and write a memory: what is known from earlier conversations, and what this one adds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from langchain_core.documents import Document
from pydantic import BaseModel, ConfigDict, Field

from ...._explain import count
from ....stores import embedder as embedding
from ....stores.embedder import TextEmbedder
from ....stores.layout import DEFAULT_MEMORY
from ....stores.types import Hit
from ...generate import evidence as weighing
from ...generate import grounding
from ...ingest.sentences import sentences
from ..context import Context
from ..node_type import OF_MODEL, node
from ..state import RagState, Update, written
from .retrieving import HowMany

if TYPE_CHECKING:
    from ....stores.memory import Group, MemoryHit
    from ....stores.memory.extracting import Extractor

Text = Annotated[str, Field(min_length=1)]

_SPARE = 10
"""How many times more hits are looked at than are wanted: a question that was often asked is found as often."""


class _OfMemory(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    path: Text = str(DEFAULT_MEMORY)
    """the memory's file; it is made where there is none, and the default is where the program runs."""

    group: Text = "default"
    """whose memory: a user, a project, an agent."""

    embedder: Annotated[Text, OF_MODEL] = "embedded"
    """the memory's embedder, a model's name or folder."""

    def _open(self, context: Context) -> Group:
        from ....stores.memory import Memory

        path = context.locate(self.path) if "path" in self.model_fields_set else Path(self.path).absolute()
        embedder = context.locate_model(self.embedder)
        opened = context.once(("memory", path, embedder), lambda: Memory(path, embedder=embedder))
        return opened.group(self.group)


@node("recall", reads={"query"}, writes={"memory", "documents", "candidates"}, is_cacheable=False)
class Recall(_OfMemory):
    """Search a memory: what was said and what is known, at the time that the question asks about."""

    k: HowMany = 10
    """how many episodes, facts and summaries of entities to find."""

    assistant: Text = "assistant"
    """who answers; its own words, and questions, tell nothing and are left out."""

    def __call__(self, state: RagState, context: Context) -> Update:
        """Recall."""
        group = self._open(context)
        context.check_cancelled()
        hits = group.search(state.query, self.k * _SPARE)
        telling = [hit for hit in hits if _tells(hit, self.assistant)]
        found = list({hit.text: hit for hit in reversed(telling)}.values())[::-1][: self.k]
        context.note(count(len(found), "hit"))
        for note in hits.notes:
            context.note(note)
        sources = group.told_by(found)
        documents = [
            Hit(_document(hit, sources.get(hit.id, "")), hit.score, rank) for rank, hit in enumerate(found, start=1)
        ]
        return {
            "memory": [hit.document for hit in documents],
            "documents": documents,
            "candidates": {context.node: documents},
        }


_AUXILIARY = (
    r"(?:is|are|am|was|were|do|does|did|can|could|will|would|should|shall|may|might|must|has|have|had)(?:n['’]t)?\b"
)
_SOMEBODY = (
    r"(?:i|you|we|he|she|it|they|the|a|an|my|your|our|his|her|their|there|this|that|these|those|any\w*|some\w*)\b"
)
_ASKS = re.compile(
    r"\W*(?:(?:and|so|but|ok|okay|hey|hi|hello|please|well|also|then)\b[,\s]+)*(?:"
    r"who(?:m|se|['’]s)?\b|(?:when|where|why|how|what|which)['’]s\b|"
    rf"(?:when|where|why)\s+{_AUXILIARY}|"
    rf"(?:what|which|how)\s+(?!(?:i|you|we|he|she|it|they)\b)(?:\w+\s+){{0,3}}?{_AUXILIARY}|"
    rf"{_AUXILIARY}\s+{_SOMEBODY}|"
    r"(?:can you\s+)?(?:tell|remind)\s+me\b|i\s+(?:want|need|would\s+like)\s+to\s+know\b|i['’]d\s+like\s+to\s+know\b|"
    r"i\s+wonder\b)",
    re.IGNORECASE,
)
"""How a question begins in English, for one that has no mark."""


def _tells(hit: MemoryHit, assistant: str) -> bool:
    """Whether something can be answered from a hit."""
    if hit.episode is None:
        return hit.fact is not None or (hit.entity is not None and bool(hit.entity.entity.summary))
    said = hit.episode.episode
    parts = [said.content[span.start : span.end].rstrip() for span in sentences(said.content)]
    asks = said.kind == "message" and all(part.endswith(("?", "？")) or _ASKS.match(part) for part in parts)
    return said.source != assistant and not asks


def _document(hit: MemoryHit, source: str) -> Document:
    from ....stores.memory.langchain import as_document

    document = as_document(hit)
    told = document.metadata | {"source": source or document.metadata["source"]}
    return Document(document.page_content, id=document.id, metadata=told)


class _Weighing(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    embedder: Annotated[Text, OF_MODEL] = "embedded"
    """what compares sentences, a model's name or folder."""

    def _load(self, context: Context) -> TextEmbedder:
        embedder = context.locate_model(self.embedder)
        return context.once(("embedder", embedder), lambda: embedding.as_embedder(embedder))


@node("gather-memory", reads={"question", "documents"}, writes={"evidence"})
class GatherMemory(_Weighing):
    """Weigh every sentence of what a memory recalls against the question; no corpus is needed."""

    def __call__(self, state: RagState, context: Context) -> Update:
        """Weigh."""
        documents = [hit.document for hit in state.documents]
        evidence = weighing.gather(state.question, documents, self._load(context))
        context.note(f"{count(len(evidence.sentences), 'sentence')}, confidence {evidence.confidence:.2f}")
        return {"evidence": evidence}


@node("ground-memory", reads={"answer", "quotes", "evidence"}, writes={"answer"})
class GroundMemory(_Weighing):
    """Keep what the memory carries of the answer, then quote it; quotes alone where nothing stands."""

    def __call__(self, state: RagState, context: Context) -> Update:
        """Ground."""
        draft, evidence = written(state.answer, "answer"), written(state.evidence, "evidence")
        answer = grounding.ground(draft, evidence, self._load(context), written(state.quotes, "quotes"))
        context.note(f"{count(len(draft.statements), 'sentence')} -> {len(answer.statements)} {answer.how}")
        return {"answer": answer}


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


@node("remember", reads={"question", "answer"}, is_cacheable=False)
class Remember(_Remembering):
    """Keep the question and the answer in a memory, to be found later."""

    def __call__(self, state: RagState, context: Context) -> Update:
        """Remember."""
        return self._remember(state, context, None)


@node("remember-facts", reads={"question", "answer"}, needs={"llm"}, is_cacheable=False)
class RememberFacts(_Remembering):
    """Keep the question and the answer in a memory, and the facts that the LLM finds in the question."""

    relations: list[str] = []
    """relations that facts may have; by default any."""

    def __call__(self, state: RagState, context: Context) -> Update:
        """Remember."""
        from ....agents import FactExtractor

        extractor = FactExtractor(context.llm, relations=self.relations, cancelled=context.cancelled)
        return self._remember(state, context, extractor)
