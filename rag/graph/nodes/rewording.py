"""Nodes that change what is searched for: the question rewritten, divided, or with the last answer beside it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ...generate import iterating
from ...retrieve import decomposing, rewriting
from ..context import Context
from ..node_type import node
from ..state import RagState, Update
from .retrieving import HowMany


@node("rewrite", reads={"question", "history"}, writes={"query"}, needs={"llm"})
def rewrite(
    state: RagState,
    context: Context,
    *,
    messages: HowMany = rewriting.MESSAGES,
    max_characters: Annotated[int, Field(ge=10)] = rewriting.MAX_CHARACTERS,
) -> Update:
    """Rewrite a question that follows others, so that it can be searched for alone.

    Args:
        messages: how many of the last messages the LLM reads; where there are none, it is not asked.
        max_characters: so much of each.
    """
    if not state.history:
        context.note("nothing was said before")
        return {"query": state.question}
    rewriter = rewriting.Rewriter(
        llm=context.llm, messages=messages, max_characters=max_characters, language=context.language
    )
    history = [(turn.role, turn.text) for turn in state.history]
    rewritten = rewriter.invoke({"question": state.question, "history": history}, cancelled=context.cancelled)
    for note in rewritten.notes:
        context.note(note, is_transient=rewritten.has_failed)
    return {"query": rewritten.query}


@node("decompose", reads={"query"}, writes={"subquestions"}, needs={"llm"})
def decompose(state: RagState, context: Context, *, most: HowMany = decomposing.MOST) -> Update:
    """Divide the query into simpler questions; `subsearch` searches for one of them.

    Args:
        most: how many there are at most.
    """
    decomposer = decomposing.Decomposer(llm=context.llm, most=most, language=context.language)
    decomposed = decomposer.invoke(state.query, cancelled=context.cancelled)
    for note in decomposed.notes:
        context.note(note, is_transient=decomposed.has_failed)
    return {"subquestions": list(decomposed.questions)}


@node("iterate", reads={"question", "answer", "drafts"}, writes={"query", "drafts"})
def iterate(state: RagState, context: Context) -> Update:
    """Put the answer beside the question, for another search (Iter-RetGen); go on until it is `settled`."""
    draft = iterating.draft_of(state.answer)
    drafts = [*state.drafts, draft]
    if not draft:
        context.note("there is no answer to search with")
    else:
        context.note("the answer says the same" if iterating.is_settled(drafts) else f"search with: {draft:.80}")
    return {"query": iterating.next_query(state.question, draft), "drafts": drafts}
