"""Nodes that put the documents into another order: by the LLM's attention, its logits, or a model made for it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...._explain import count
from ....stores.types import Hit
from ...rerank.types import IDENTIFIERS
from ...rerank.windows import check_overlap
from ..context import Context
from ..node_type import OF_MODEL, node
from ..state import RagState, Update
from .retrieving import Count, HowMany

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...llm.models import ModelFile
    from ...rerank.cross_encoder import CrossEncoderReranker
    from ...rerank.icr import IcrReranker
    from ...rerank.reranker import Reranker
    from ...rerank.types import Ranked

KEEP = 10

READS = frozenset({"query", "documents"})
WRITES = frozenset({"documents", "candidates"})

Several = Annotated[int, Field(ge=2)]


class _Reranking(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    keep: HowMany = KEEP
    """how many documents to keep."""

    first_stage: Annotated[float, Field(ge=0, le=1)] = 0.0
    """how much the order counts in which the documents come, from 0 to 1."""


class _Attending(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    task: Literal["question", "search"] = "question"
    """whether the LLM is asked to answer the query or to find what is relevant for it."""

    heads: HowMany | Annotated[list[tuple[Count, Count]], Field(min_length=1)] | None = None
    """the attention heads to read: so many of the best ones, or pairs of layer and head; by default all."""

    layers: HowMany | None = None
    """read the first ones only; by default as many as the heads need."""

    cached: bool = False
    """read each document on its own, and keep what was computed for the next query."""

    window: Several | None = None
    """how many documents are read at once; by default as many as fit."""

    def check_model(self, file: ModelFile) -> None:
        """See that the model has these heads and layers.

        Raises:
            RerankError: it has not, or nobody knows its best heads.
        """
        from ...llm.gguf_header import read_header
        from ...rerank.heads import as_heads, choose_heads

        if self.heads is not None or self.layers is not None:
            header = cache(lambda: read_header(file.path))
            choose_heads(
                file, lambda key: header().get(key), as_heads(self.heads), layers=self.layers, apart=self.cached
            )

    def _reranker(self, context: Context, **options: Any) -> IcrReranker:
        from ...rerank.icr import IcrReranker

        llm = context.own_llm
        options = {name: getattr(self, name) for name in _Attending.model_fields} | options
        return context.once(("icr", id(llm.engine), repr(options)), lambda: IcrReranker(llm=llm, **options))


@node("icr", reads=READS, writes=WRITES, needs={"attention"})
class Icr(_Attending, _Reranking):
    """Rank the documents by the attention that the query pays to them (in-context reranking)."""

    explain: bool = False
    """put `highlights` into the documents' metadata: what drew attention, as `[start, end, weight]`."""

    def __call__(self, state: RagState, context: Context) -> Update:
        """Rank."""
        own = {"keep": self.keep, "first_stage": self.first_stage, "explain": self.explain}
        return _ranked(state, context, lambda: self._reranker(context, **own))


@node("compress", reads=READS, writes={"documents"}, needs={"attention"})
class Compress(_Attending):
    """Keep of the documents the sentences that the query attends to, within a budget."""

    max_tokens: HowMany = 1000
    """how many tokens to keep, in those of the LLM."""

    def __call__(self, state: RagState, context: Context) -> Update:
        """Compress."""
        if not state.documents:
            return {"documents": []}
        from ...rerank.compressing import compress
        from ...rerank.pieces import rank_in_pieces

        reranker = self._reranker(context, explain=True)
        context.check_cancelled()
        documents = [hit.document for hit in state.documents]
        ranking = rank_in_pieces(reranker, state.query, documents, language=context.language)
        tokens = reranker.llm.count_tokens
        kept = compress(ranking, self.max_tokens, tokens, language=context.language)
        before, after = (sum(tokens(each.page_content) for each in of) for of in (documents, kept))
        places = f"{count(len(kept), 'place')} of {count(len(documents), 'document')}"
        context.note(f"{before:,} -> {after:,} tokens, {places}")
        for note in ranking.notes:
            context.note(note)
        return {"documents": [Hit(document, 1 / rank, rank) for rank, document in enumerate(kept, start=1)]}


@node("first", reads=READS, writes=WRITES, needs={"logits"})
class First(_Reranking):
    """Rank the documents by the logits of the token that would name the best one; wants an LLM that is tuned for it."""

    window: Annotated[int, Field(ge=2, le=len(IDENTIFIERS))] = 20
    """how many documents are read at once."""

    step: HowMany = 10
    """how far the window moves from the back of the list to its front."""

    rotations: Annotated[int, Field(ge=1, le=len(IDENTIFIERS))] = 1
    """rank so many rotations of each window and take the mean."""

    @model_validator(mode="after")
    def _windows_overlap(self) -> Self:
        check_overlap(self.window, self.step)
        return self

    def __call__(self, state: RagState, context: Context) -> Update:
        """Rank."""

        def make() -> Reranker:
            from ...rerank.first import FirstReranker

            return FirstReranker(llm=context.own_llm, **self.model_dump())

        return _ranked(state, context, make)


@node("cross-encoder", reads=READS, writes=WRITES)
class CrossEncoder(_Reranking):
    """Rank the documents by a cross-encoder, a model that reads query and document together."""

    model: Annotated[str, Field(min_length=1), OF_MODEL]
    """a cross-encoder of sentence-transformers: its folder, or its name on Hugging Face."""

    max_length: Annotated[int, Field(ge=8)] | None = None
    """tokens that it reads of query and document; by default as many as it was made for."""

    batch_size: HowMany = 16
    """documents that are read at once."""

    device: str = "cpu"
    """where it runs: `cpu`, `cuda`, `mps`."""

    def __call__(self, state: RagState, context: Context) -> Update:
        """Rank."""
        model = context.locate_model(self.model)

        def load() -> CrossEncoderReranker:
            from ...rerank.cross_encoder import CrossEncoderReranker

            reranker = CrossEncoderReranker(model=model, max_length=self.max_length, device=self.device)
            with context.timed("loading the cross-encoder"):
                reranker.load()
            return reranker

        def make() -> Reranker:
            loaded = context.once(("cross-encoder", model, self.max_length, self.device), load)
            return loaded.model_copy(update={**self.model_dump(), "model": model})

        return _ranked(state, context, make)


def _ranked(state: RagState, context: Context, make: Callable[[], Reranker]) -> Update:
    """The documents as a reranker ranks them, which is made only if there are any."""
    if not state.documents:
        return {"documents": [], "candidates": {context.node: []}}
    reranker = make()
    context.check_cancelled()
    ranking = reranker.rank(state.query, [hit.document for hit in state.documents])
    reused = f", {ranking.reused:,} reused" if ranking.reused else ""
    context.note(f"{len(state.documents)} -> {len(ranking)}, {ranking.evaluated:,} tokens read{reused}")
    for note in ranking.notes:
        context.note(note)
    hits = [_hit(ranked) for ranked in ranking]
    return {"documents": hits, "candidates": {context.node: hits}}


def _hit(ranked: Ranked) -> Hit:
    return Hit(ranked.as_explained(), ranked.score, ranked.rank)
