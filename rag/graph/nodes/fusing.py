"""Nodes that make one list of several, or a more varied one."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...._explain import unknown
from ....stores import diversity, fusion
from ....stores.types import Hit
from ...rerank import fusing
from ..context import Context
from ..node_type import WITH_CANDIDATES, node
from ..state import RagState, Update
from .retrieving import HowMany
from .vectors import vectors_of

KEEP = 10

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@node("rrf", reads={"candidates[of]"}, writes={"documents"})
def rrf(
    state: RagState,
    context: Context,
    *,
    of: list[str] | None = None,
    keep: HowMany = KEEP,
    rank_constant: HowMany = fusion.K,
) -> Update:
    """Fuse what several nodes found by reciprocal rank fusion.

    Args:
        of: the nodes whose candidates are fused; by default all that found any, in a loop since this node ran last.
        keep: how many documents to keep.
        rank_constant: the k of RRF; a smaller one lets the first ranks count more.
    """
    names = sorted(state.candidates) if of is None else of
    rankings = [state.candidates.get(name, []) for name in names]
    hits = {_key(hit): hit for ranking in reversed(rankings) for hit in ranking}
    fused = fusion.rrf([[_key(hit) for hit in ranking] for ranking in rankings], k=rank_constant)[:keep]
    found = ", ".join(f"{len(ranking)} of {name}" for name, ranking in zip(names, rankings, strict=True))
    context.note(f"{found} -> {len(fused)} of {len(hits)}")
    return {"documents": [Hit(hits[key].document, score, rank) for rank, (key, score) in enumerate(fused, start=1)]}


@node("fuse", reads={"candidates[of]"}, writes={"documents"})
class Fuse(BaseModel):
    """Fuse what several nodes found or ranked, by weighted scores or ranks."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    of: list[str] | None = None
    """the nodes whose candidates are fused; by default all that found any, in a loop since this node ran last."""

    weights: Annotated[dict[str, Weight], WITH_CANDIDATES] = {}
    """how much each node counts; one that is not named counts 1."""

    method: fusing.Scoring = "zscore"
    """`zscore` adds scores, each node's brought to mean 0 and deviation 1 before; `rrf` adds reciprocal ranks."""

    keep: HowMany = KEEP
    """how many documents to keep."""

    @model_validator(mode="after")
    def _weighs_what_it_fuses(self) -> Self:
        for name in self.weights:
            if self.of is not None and name not in self.of:
                raise ValueError(f"weights an {unknown('node', name, self.of)}")
        return self

    def __call__(self, state: RagState, context: Context) -> Update:
        """Fuse."""
        names = sorted({*state.candidates, *self.weights}) if self.of is None else self.of
        rankings = {name: state.candidates.get(name, []) for name in names}
        scored = {name: [(_key(hit), hit.score) for hit in ranking] for name, ranking in rankings.items()}
        fused = fusing.fuse(scored, self.weights, self.method)[: self.keep]
        found = [hit for ranking in reversed(rankings.values()) for hit in ranking]
        # Of equal documents the one that says what drew attention to it.
        hits = {_key(hit): hit for hit in sorted(found, key=lambda hit: "highlights" in hit.document.metadata)}
        counted = ", ".join(f"{len(ranking)} of {name}" for name, ranking in rankings.items())
        context.note(f"{counted} -> {len(fused)} of {len(hits)}")
        return {"documents": [Hit(hits[key].document, score, rank) for rank, (key, score) in enumerate(fused, start=1)]}


@node("mmr", reads={"query", "documents"}, writes={"documents"}, needs={"corpus"})
def mmr(
    state: RagState,
    context: Context,
    *,
    keep: HowMany = KEEP,
    lambda_mult: Annotated[float, Field(ge=0, le=1)] = diversity.LAMBDA,
) -> Update:
    """Keep documents that are near the query and not near each other (maximal marginal relevance).

    Args:
        keep: how many documents to keep.
        lambda_mult: 1 looks at the query alone, 0 at the difference between documents alone.
    """
    if not state.documents:
        return {"documents": []}
    query = context.corpus.embedder.encode_query(state.query)
    chosen = diversity.mmr(query, vectors_of(state.documents, context.corpus), keep=keep, lambda_mult=lambda_mult)
    kept = [state.documents[place] for place in chosen]
    context.note(f"{len(state.documents)} -> {len(kept)}")
    return {"documents": [Hit(hit.document, hit.score, rank) for rank, hit in enumerate(kept, start=1)]}


def _key(hit: Hit) -> str:
    """What tells documents apart: two corpora may have different ones under one id."""
    return f"{hit.document.id or ''}\n{hit.document.page_content}"
