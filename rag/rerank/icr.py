"""ICR, in-context reranking: a passage is relevant if the model, reading the query after it, attends to it.

The prompt is all passages, best candidate last, then an instruction and the query. Nothing is generated. With `a` the
attention from the tail (instruction, query, what the chat template adds), averaged over the tail's tokens and summed
over heads and layers, a token of a passage has the calibrated score

    s(token) = a(token | query) - a(token | "N/A"),

which takes away what the model attends to whatever it is asked. Within a passage, tokens with `s < mean - 2 * std` are
left out as outliers; the passage's score is the sum of the others.

Chen, Gutierrez and Su, "Attention in Large Language Models Yields Efficient Zero-Shot Re-Rankers", ICLR 2025, section
3; details that the paper leaves open are those of its program: tokens between passages count for nobody, the deviation
is that of a sample, and passages are numbered in the order in which they stand.

What we add: passages are read once for both queries; `heads` reads the few heads that rank best (found once a model,
see `heads`), `layers` ends the pass after the last of them, and `cached` evaluates every passage on its own, so that it
need not be read again for another query. More passages than fit are ranked in windows (see `windows`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from ..._explain import count
from ...prompts import load_prompt
from ..llm.attention.document_kv import DocumentKV
from ..llm.attention.flash import Head
from ..llm.base import ChatModel
from ..llm.errors import ContextOverflow
from .explaining import highlights
from .heads import as_heads, load_heads
from .icr_prompt import IcrPrompt, PassageTokens
from .icr_reading import NOTHING, Tokens, read_passages
from .reranker import Reranker
from .types import Highlight, Passage, Scores
from .windows import Window, in_windows

_AT_LEAST = 4  # passages have room in a window, so none is longer than a quarter of it
_SHORTEST = 16  # tokens of a passage that tell anything


class IcrReranker(Reranker):
    """Ranks by the attention that the query pays to each document.

    ```python
    from ragloom import load
    from ragloom.rag.rerank import IcrReranker

    with load("embedded", n_ctx=1024) as llm:
        reranker = IcrReranker(llm=llm)
        texts = ["Rain is wet.", "The cat sleeps all day.", "Trains run late."]
        print(reranker.rank("What does the cat do?", texts)[0].document.page_content)  # -> The cat sleeps all day.
    ```

    Attributes:
        llm: a model on this machine whose attention can be read.
        task: `question` asks to answer the query, `search` to find what is relevant for it.
        heads: the attention heads to read: a number of the best ones for ranking (see `ragloom heads`), or which ones;
            None: all, as published.
        layers: read the first ones only; None: as many as the heads need.
        cached: evaluate each document on its own and keep its KV, in ragloom's cache folder or the `DocumentKV` given;
            the order of the documents does not matter then.
        window: how many documents are read at once; None: as many as fit into the model's context.
        explain: tell which words of each document drew the attention, as `Ranked.highlights`.
    """

    llm: ChatModel
    task: Literal["question", "search"] = "question"
    heads: Annotated[int | tuple[Head, ...] | None, BeforeValidator(as_heads)] = None
    layers: int | None = Field(default=None, ge=1)
    cached: bool | DocumentKV = False
    window: int | None = Field(default=None, ge=2)
    explain: bool = False

    @model_validator(mode="after")
    def _checked(self) -> Self:
        """Find the heads, and whether there is attention to read.

        Raises:
            AttentionUnavailable: the model has none.
            RerankError: `heads` is a number, and nobody knows the best ones of this model.
        """
        _ = self._heads
        self.llm.engine.check_attention()
        return self

    @cached_property
    def _heads(self) -> tuple[Head, ...] | None:
        if isinstance(self.heads, int):
            return load_heads(self.llm.engine.file).best(self.heads, layers=self.layers, apart=bool(self.cached))
        return self.heads

    @cached_property
    def _prompt(self) -> IcrPrompt:
        return IcrPrompt(self.llm.engine, load_prompt(f"icr_{self.task}"))

    @property
    def _cache(self) -> DocumentKV | None:
        return self.llm.engine.document_kv if self.cached is True else self.cached or None

    def _score(self, query: str, passages: Sequence[Passage]) -> Scores:
        taken = self._prompt.taken([query, NOTHING])
        room = self.llm.context_size - taken
        longest = room // _AT_LEAST
        if longest < _SHORTEST:
            raise ContextOverflow(taken + _AT_LEAST * _SHORTEST, self.llm.context_size, "the query")
        lengths = [len(self._prompt.passage(passage, len(passages))) for passage in passages]
        cut = sum(length > longest for length in lengths)

        def read(places: Sequence[int]) -> Window[tuple[Highlight, ...]]:
            return self._read(query, [passages[place] for place in places], longest)

        merged = in_windows([min(length, longest) for length in lengths], read, room=room, most=self.window)
        notes = []
        if cut:
            notes.append(f"{cut} of {count(len(passages), 'document')} cut to {longest} tokens")
        if merged.windows > 1:
            notes.append(f"{len(passages)} documents ranked in {merged.windows} windows")
        return Scores(merged.scores, merged.evaluated, merged.reused, tuple(notes), tuple(merged.details))

    def _read(self, query: str, passages: Sequence[Passage], longest: int) -> Window[tuple[Highlight, ...]]:
        """Read the passages of one window."""
        engine = self.llm.engine
        reading = read_passages(
            engine,
            self._prompt,
            query,
            passages,
            heads=self._heads,
            layers=self.layers,
            cache=self._cache,
            longest=longest,
        )
        details = [*map(self._highlights, passages, reading.parts, reading.tokens())] if self.explain else []
        return Window(reading.scores(), reading.attention.evaluated, reading.attention.reused, details)

    def _highlights(self, passage: Passage, part: PassageTokens, tokens: Tokens) -> tuple[Highlight, ...]:
        pieces = [self.llm.engine.weights.piece(token) for token in part.tokens[: part.own]]
        return highlights(str(passage), pieces, tokens, skipped=part.before)
