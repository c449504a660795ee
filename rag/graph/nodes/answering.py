"""Nodes that weigh documents, answer from them and check the answer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ....stores.errors import CorpusError
from ...generate import citing, grounding, quoting
from ...generate import evidence as weighing
from ...generate.errors import PassageTooLongError
from ...generate.types import Answer, unknown
from ..context import Context
from ..errors import GraphError
from ..evidence import StoredEvidence
from ..node_type import node
from ..state import RagState, Update
from .retrieving import HowMany

Count = Annotated[int, Field(ge=0)]


@node("gather", reads={"question", "documents"}, writes={"evidence"}, needs={"corpus"})
def gather(state: RagState, context: Context) -> Update:
    """Weigh every sentence of the documents against the question."""
    documents = [hit.document for hit in state.documents]
    try:
        vectors = context.corpus.vectors([document.id or "" for document in documents])
    except CorpusError:  # not of this corpus, or deleted since
        vectors = None
    gathered = weighing.gather(
        state.question, documents, context.corpus.embedder, passage_vectors=vectors, language=context.language
    )
    return {"evidence": StoredEvidence.of(gathered)}


@node("quote", reads={"evidence"}, writes={"answer"}, needs={"corpus"})
def quote(
    state: RagState,
    context: Context,
    *,
    passages: Count = 0,
    max_sentences: Count = quoting.MAX_SENTENCES,
    spread: Annotated[float, Field(ge=0)] = quoting.SPREAD,
    min_confidence: float = weighing.MIN_CONFIDENCE,
) -> Update:
    """Answer in the documents' own words.

    Args:
        passages: quote at most so many of the best passages in full.
        max_sentences: quote at most so many of the nearest sentences.
        spread: how far, in cosine, a quoted sentence may be behind the nearest one.
        min_confidence: below it the answer is "I don't know".
    """
    evidence = _evidence(state, context)
    if not evidence.answerable(min_confidence):
        reason = "no passage is close enough to the question" if evidence.documents else "nothing was found"
        return {"answer": unknown(state.question, reason, confidence=evidence.confidence)}
    return {"answer": quoting.quote(evidence, passages=passages, max_sentences=max_sentences, spread=spread)}


@node("cited", reads={"question", "documents"}, writes={"answer"}, needs={"llm"})
def cited(
    state: RagState,
    context: Context,
    *,
    max_prompt_tokens: HowMany = citing.MAX_PROMPT_TOKENS,
    max_answer_tokens: HowMany = citing.MAX_ANSWER_TOKENS,
) -> Update:
    """Let the LLM answer from numbered documents; nobody checks what it wrote, that is for `ground`.

    Args:
        max_prompt_tokens: the budget for the documents; those that do not fit are left out, and a note says so.
        max_answer_tokens: where the answer is cut off.
    """
    try:
        answer = citing.cited(
            state.question,
            [hit.document for hit in state.documents],
            context.llm,
            max_prompt_tokens=max_prompt_tokens,
            max_answer_tokens=max_answer_tokens,
            language=context.language,
        )
    except PassageTooLongError as error:
        answer = unknown(state.question, str(error))
    return {"answer": answer}


@node("ground", reads={"answer", "evidence"}, writes={"answer"}, needs={"corpus"})
def ground(
    state: RagState,
    context: Context,
    *,
    passages: Count = 0,
    max_sentences: Count = quoting.MAX_SENTENCES,
    spread: Annotated[float, Field(ge=0)] = quoting.SPREAD,
) -> Update:
    """Keep what the documents carry of the answer, then quote them; quotes alone where nothing stands.

    Args:
        passages: quote at most so many of the best passages in full.
        max_sentences: quote at most so many of the nearest sentences.
        spread: how far, in cosine, a quoted sentence may be behind the nearest one.
    """
    evidence = _evidence(state, context)
    quotes = quoting.quote(evidence, passages=passages, max_sentences=max_sentences, spread=spread)
    return {"answer": grounding.ground(_answer(state, context), evidence, quotes)}


def _evidence(state: RagState, context: Context) -> weighing.Evidence:
    if state.evidence is None:
        raise GraphError(f"the node {context.node!r} needs evidence; let a node of type 'gather' run before it")
    return state.evidence.with_embedder(context.corpus.embedder)


def _answer(state: RagState, context: Context) -> Answer:
    if state.answer is None:
        raise GraphError(f"the node {context.node!r} needs an answer to check; let one of type 'cited' run before it")
    return state.answer
