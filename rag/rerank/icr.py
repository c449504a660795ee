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
need not be read again for another query. More passages than fit are ranked in windows (see `windows.pour`).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Literal, Self

from langchain_core.documents import Document
from pydantic import BeforeValidator, Field, model_validator

from ...prompts import load_prompt
from ..llm.attention.document_kv import DocumentKV
from ..llm.attention.flash import Head
from ..llm.base import OwnModel
from ..llm.errors import ContextOverflow
from .explaining import highlights
from .fitting import SHORTEST, level
from .heads import as_heads, choose_heads
from .icr_prompt import IcrPrompt, PassageTokens
from .icr_reading import NOTHING, Tokens, read_passages
from .reranker import Reranker
from .types import Highlight, Passage, Scores
from .window import Window, remarks
from .windows import pour

_STEPS = 16  # of the context, in which cached documents are cut
_AT_LEAST = 4  # passages stand in each of several windows, so none is longer than a quarter of one


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
        layers: read the first ones only, so that a number of `heads` are the best of these; None: as many as the heads
            need.
        cached: evaluate each document on its own and keep its KV, in ragloom's cache folder or the `DocumentKV` given;
            the order of the documents decides between equals only then.
        window: how many documents are read at once; None: as many as fit into the model's context.
        explain: tell which words of each document drew the attention, as `Ranked.highlights`.
    """

    llm: OwnModel
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
            RerankError: the model has no such heads or layers, or nobody knows its best heads.
        """
        _ = self._heads
        self.llm.engine.check_attention()
        return self

    @cached_property
    def _heads(self) -> tuple[Head, ...] | None:
        engine = self.llm.engine
        return choose_heads(
            engine.file, engine.weights.metadata, self.heads, layers=self.layers, apart=bool(self.cached)
        )

    @cached_property
    def _prompt(self) -> IcrPrompt:
        return IcrPrompt(self.llm.engine, load_prompt(f"icr_{self.task}"))

    @property
    def _cache(self) -> DocumentKV | None:
        return self.llm.engine.document_kv if self.cached is True else self.cached or None

    def until(self, cancelled: threading.Event) -> Self:
        """See `Reranker.until`."""
        _ = self._prompt  # made once, not for each copy
        return super().until(cancelled)

    def sizes(self, documents: Sequence[Document]) -> list[int]:
        """How many tokens each document has as it is read, with its title and its number."""
        return list(map(len, self._parts([Passage.of(document) for document in documents])))

    def always_read(self, query: str) -> int:
        """How many tokens of a document are read whatever stands beside it."""
        return self._stepped(self._room(query) // _AT_LEAST)

    def read_of(self, query: str, sizes: Sequence[int]) -> int:
        """How many tokens are read of each of some documents: as many as let all stand in one window, or part of it.

        Raises:
            ContextOverflow: there is not even room for the beginnings of a few documents.
        """
        room = self._room(query)
        longest = max(level(sizes, room), room // _AT_LEAST)
        if longest < min(SHORTEST, max(sizes)):
            taken = self.llm.context_size - room
            least = taken + min(_AT_LEAST, len(sizes)) * SHORTEST
            raise ContextOverflow(least, self.llm.context_size, "the query")
        return self._stepped(longest) if longest < max(sizes) else longest

    def _stepped(self, length: int) -> int:
        """In steps if cached, so that a document is not cut, and evaluated, anew for each length of the query."""
        return max(length - length % (self.llm.context_size // _STEPS), SHORTEST) if self.cached else length

    def _room(self, query: str) -> int:
        """Tokens that documents may have in one window."""
        return self.llm.context_size - self._prompt.taken([query, NOTHING])

    def _parts(self, passages: Sequence[Passage]) -> list[PassageTokens]:
        number = None if self.cached else len(passages)  # the largest there is takes the most room
        return [self._prompt.passage(passage, number) for passage in passages]

    def _score(self, query: str, passages: Sequence[Passage]) -> Scores:
        parts = self._parts(passages)
        # The order in which cached passages are given does not decide who stands in a window with whom.
        order = sorted(range(len(parts)), key=lambda at: parts[at].tokens) if self.cached else range(len(parts))
        lengths = [len(parts[at]) for at in order]
        longest = self.read_of(query, lengths)
        windows: list[Window] = []
        found: dict[int, tuple[Highlight, ...]] = {}

        def read(places: Sequence[int]) -> Sequence[float]:
            given = [order[place] for place in places]
            window = self._read(query, [passages[at] for at in given], longest, given)
            windows.append(window)
            found.update(zip(given, window.highlights, strict=False))
            return window.scores

        room = self._room(query)
        poured = pour([min(length, longest) for length in lengths], read, room=room, most=self.window)
        scores = dict(zip(order, poured, strict=True))
        return Scores(
            [scores[at] for at in range(len(parts))],
            sum(window.evaluated for window in windows),
            sum(window.reused for window in windows),
            tuple(remarks(windows, len(parts))),
            tuple(found[at] for at in sorted(found)),
        )

    def _read(self, query: str, passages: Sequence[Passage], longest: int, places: Sequence[int]) -> Window:
        """Read the passages of one window, which stand at `places` of the list, cut to `longest` tokens."""
        reading = read_passages(
            self.llm.engine,
            self._prompt,
            query,
            passages,
            heads=self._heads,
            layers=self.layers,
            cache=self._cache,
            longest=longest,
            cancelled=self._cancelled,
        )
        cut = frozenset(place for place, part in zip(places, reading.parts, strict=True) if part.is_cut)
        told = [*map(self._highlights, passages, reading.parts, reading.tokens())] if self.explain else []
        read = reading.attention
        return Window(reading.scores(), read.evaluated, read.reused, cut, longest, told)

    def _highlights(self, passage: Passage, part: PassageTokens, tokens: Tokens) -> tuple[Highlight, ...]:
        pieces = [self.llm.engine.weights.piece(token) for token in part.tokens[: part.own]]
        return highlights(str(passage), pieces, tokens, skipped=part.before)
