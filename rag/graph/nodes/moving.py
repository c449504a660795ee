"""Nodes that move the query's vector; those that search by meaning look for it, those that search by words do not."""

from __future__ import annotations

import asyncio
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ...._explain import count
from ...retrieve import feedback as moving
from ...retrieve import hyde as imagining
from ...retrieve.query_vector import QueryVector
from ..context import Context
from ..node_type import node
from ..state import RagState, Update
from .retrieving import Count, HowMany, moved_vector
from .vectors import vectors_of

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@node("hyde", reads={"query"}, writes={"vector"}, needs={"corpus", "llm"})
class Hyde(BaseModel):
    """Let the LLM imagine passages that would answer the query; a search by meaning looks for what is near them."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    n: HowMany = imagining.N
    """how many passages."""

    task: imagining.Task = "web"
    """what kind of passage."""

    language: Annotated[str, AfterValidator(imagining.known_language)] | None = None
    """of the passages, a code such as `de` or a name in English; by default the corpus'."""

    temperature: Weight = imagining.TEMPERATURE
    """0 would write the same passage n times."""

    max_tokens: HowMany = imagining.MAX_TOKENS
    """where a passage is cut off."""

    seed: Count = 0
    """of the first passage; each further one has the next."""

    deadline: Positive | None = None
    """seconds after which the query alone is searched for."""

    async def __call__(self, state: RagState, context: Context) -> Update:
        """Imagine."""
        hyde = await asyncio.to_thread(self._component, context)
        vector = await hyde.ainvoke(state.query)
        if vector.made_from:
            context.note(f"{count(len(vector.made_from), 'passage')} imagined")
        for note in vector.notes:
            context.note(note, is_transient=not vector.made_from)
        return {"vector": vector}

    def _component(self, context: Context) -> imagining.Hyde:
        with context.timed("loading the embedder"):
            context.corpus.check_embedder()
        options = self.model_dump(exclude={"language", "deadline"})
        return imagining.Hyde(
            llm=context.llm,
            embedder=context.corpus.embedder,
            language=self.language or context.language,
            timeout=self.deadline,
            **options,
        )


@node("feedback", reads={"query", "vector", "documents"}, writes={"vector"}, needs={"corpus"})
def feedback(
    state: RagState,
    context: Context,
    *,
    alpha: Weight = moving.ALPHA,
    beta: Weight = moving.BETA,
    depth: HowMany = moving.DEPTH,
) -> Update:
    """Move the query's vector towards the first documents (Rocchio), for another search.

    Args:
        alpha: weight of the query's own vector.
        beta: weight of the documents' mean.
        depth: how many documents are taken for relevant.
    """
    return _fed_back(state, context, moving.Rocchio(alpha=alpha, beta=beta, depth=depth))


@node("reranker-feedback", reads={"query", "vector", "documents"}, writes={"vector"}, needs={"corpus"})
def reranker_feedback(
    state: RagState,
    context: Context,
    *,
    depth: HowMany = moving.RERANKED,
    steps: Count = moving.STEPS,
    rate: Positive = moving.RATE,
) -> Update:
    """Move the query's vector until it orders the documents as a reranker's scores do, for another search.

    Args:
        depth: how many documents are learned from.
        steps: of gradient descent.
        rate: how far each moves a number of the vector.
    """
    return _fed_back(state, context, moving.RerankerFeedback(depth=depth, steps=steps, rate=rate))


def _fed_back(state: RagState, context: Context, by: moving.Feedback) -> Update:
    hits = state.documents[: by.depth]
    if not hits:
        context.note("no documents: the vector as it is")
        return {"vector": state.vector}
    corpus = context.corpus
    with context.timed("loading the embedder"):
        corpus.check_embedder()
    before = moved_vector(state, corpus)
    start = corpus.embedder.encode_query(state.query) if before is None else before
    moved = by.move(start, vectors_of(hits, corpus), [hit.score for hit in hits])
    vector = QueryVector.of(
        state.query, moved, corpus.embedder.fingerprint, made_from=[hit.document.id or "" for hit in hits]
    )
    cosine = float(np.dot(start, vector.values))
    context.note(f"moved by {count(len(hits), 'document')}, cosine to where it was {cosine:.2f}")
    return {"vector": vector}
