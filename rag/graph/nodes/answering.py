"""Nodes that weigh documents, answer from them and check the answer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ...._explain import count
from ...generate import citing, grounding, quoting
from ...generate import evidence as weighing
from ...generate import notes as noting
from ...generate.errors import PassageTooLongError
from ...generate.types import unknown
from ..context import Context
from ..node_type import node
from ..state import RagState, Update, written
from .retrieving import Count, HowMany
from .vectors import stored_vectors

Asked = Literal["question", "query"]
"""What is answered: the question as it was asked, or as a node has rewritten it."""


@node("gather", reads={"question", "query", "documents"}, writes={"evidence"}, needs={"corpus"})
def gather(state: RagState, context: Context, *, asked: Asked = "question") -> Update:
    """Weigh every sentence of the documents against the question.

    Args:
        asked: against the question as it was asked, or against the `query` that a node has made of it.
    """
    documents = [hit.document for hit in state.documents]
    with context.timed("loading the embedder"):
        context.corpus.check_embedder()
    vectors = stored_vectors(state.documents, context.corpus)
    evidence = weighing.gather(
        getattr(state, asked), documents, context.corpus.embedder, passage_vectors=vectors, language=context.language
    )
    context.note(f"{count(len(evidence.sentences), 'sentence')}, confidence {evidence.confidence:.2f}")
    return {"evidence": evidence}


@node("quote", reads={"evidence"}, writes={"quotes", "answer"})
def quote(
    state: RagState,
    context: Context,
    *,
    passages: Count = 0,
    max_sentences: Count = quoting.MAX_SENTENCES,
    spread: Annotated[float, Field(ge=0)] = quoting.SPREAD,
    min_confidence: Annotated[float, Field(le=1)] = weighing.MIN_CONFIDENCE,
) -> Update:
    """Answer in the documents' own words.

    Args:
        passages: quote at most so many of the best passages in full.
        max_sentences: quote at most so many of the nearest sentences.
        spread: how far, in cosine, a quoted sentence may be behind the nearest one.
        min_confidence: below it the answer is "I don't know".
    """
    evidence = written(state.evidence, "evidence")
    if not evidence.answerable(min_confidence):
        reason = "no passage is close enough to the question" if evidence.documents else "nothing was found"
        quotes = unknown(evidence.question, reason, confidence=evidence.confidence)
    else:
        quotes = quoting.quote(evidence, passages=passages, max_sentences=max_sentences, spread=spread)
        context.note(f"{count(len(quotes.citations), 'place')}, {count(len(quotes.text), 'character')}")
    return {"quotes": quotes, "answer": quotes}


@node("cited", reads={"question", "query", "documents"}, writes={"answer"}, needs={"llm"})
def cited(
    state: RagState,
    context: Context,
    *,
    max_prompt_tokens: HowMany = citing.MAX_PROMPT_TOKENS,
    max_answer_tokens: HowMany = citing.MAX_ANSWER_TOKENS,
    asked: Asked = "question",
) -> Update:
    """Let the LLM answer from numbered documents; nobody checks what it wrote, that is for `ground`.

    Args:
        max_prompt_tokens: the budget for the documents; those that do not fit are left out, and a note says so.
        max_answer_tokens: where the answer is cut off.
        asked: the question as it was asked, or the `query` that a node has made of it.
    """
    question = getattr(state, asked)
    try:
        answer = citing.cited(
            question,
            [hit.document for hit in state.documents],
            context.llm,
            max_prompt_tokens=max_prompt_tokens,
            max_answer_tokens=max_answer_tokens,
            language=context.language,
            cancelled=context.cancelled,
        )
    except PassageTooLongError as error:
        answer = unknown(question, str(error))
    context.show(answer.usage.get("documents", 0))
    for note in answer.notes:
        context.note(note)
    return {"answer": answer}


@node("notes", reads={"question", "query", "documents"}, writes={"answer"}, needs={"llm"})
def notes(
    state: RagState,
    context: Context,
    *,
    max_note_tokens: HowMany = noting.MAX_NOTE_TOKENS,
    max_answer_tokens: HowMany = citing.MAX_ANSWER_TOKENS,
    asked: Asked = "question",
) -> Update:
    """Let the LLM note what each document says about the question, and answer from the notes (Chain-of-Note).

    Args:
        max_note_tokens: where a note is cut off.
        max_answer_tokens: where the answer is cut off.
        asked: the question as it was asked, or the `query` that a node has made of it.
    """
    chain = noting.ChainOfNote(
        llm=context.llm,
        max_note_tokens=max_note_tokens,
        max_answer_tokens=max_answer_tokens,
        language=context.language,
    )
    answer = chain.answer(getattr(state, asked), [hit.document for hit in state.documents], cancelled=context.cancelled)
    for note in answer.notes:
        context.note(note)
    return {"answer": answer}


@node("ground", reads={"answer", "quotes", "evidence"}, writes={"answer"}, needs={"corpus"})
def ground(state: RagState, context: Context) -> Update:
    """Keep what the documents carry of the answer, then quote them; quotes alone where nothing stands."""
    draft, evidence = written(state.answer, "answer"), written(state.evidence, "evidence")
    answer = grounding.ground(draft, evidence, context.corpus.embedder, written(state.quotes, "quotes"))
    context.note(f"{count(len(draft.statements), 'sentence')} -> {len(answer.statements)} {answer.how}")
    return {"answer": answer}
