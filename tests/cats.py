"""Node types for tests of graphs: what cats do, so that nothing but the graph matters."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from ragloom.rag.graph import Context, RagState, Registry, Update, node, predicate


@node("prowl", reads={"query"}, writes={"candidates", "documents"})
def prowl(state: RagState, context: Context, *, nights: Annotated[int, Field(ge=1)] = 1) -> Update:
    """Go out and bring something home."""
    return {"candidates": {context.node: []}, "documents": []}


@node("pile", reads={"candidates[of]"}, writes={"documents"})
def pile(state: RagState, context: Context, *, of: list[str] | None = None) -> Update:
    """Put what was brought home on a pile."""
    return {"documents": []}


@node("stare", reads={"documents"}, writes={"extra.stared"}, needs={"llm", "attention"})
def stare(state: RagState, context: Context) -> Update:
    """Pay attention."""
    return {"extra": {"stared": True}}


@node("weigh", reads={"documents"}, writes={"verdicts"}, needs={"llm", "logits"})
def weigh(state: RagState, context: Context) -> Update:
    """Weigh what is there."""
    return {"verdicts": []}


@node("purr", reads={"documents"}, writes={"answer"})
class Purr(BaseModel):
    """Say something nice."""

    model_config = ConfigDict(extra="forbid")

    volume: int
    """How loud."""

    def __call__(self, state: RagState, context: Context) -> Update:
        return {"answer": None}


@node("nap", writes={"extra.rested"})
def nap(state: RagState, context: Context) -> Update:
    """Do nothing for a while."""
    return {"extra": {"rested": True}}


@predicate("hungry")
def hungry(state: RagState) -> bool:
    """Whether it is hungry, which it is."""
    return True


CATS = Registry.installed().with_types([prowl, pile, stare, weigh, Purr, nap, hungry])
