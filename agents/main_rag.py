"""MAIN-RAG: documents are kept if an answer can be made from them, in the judgement of the LLM that will answer.

A Predictor answers from each document alone, a Judge says how far the document supports that answer, and the threshold
is the mean of the question's own scores, relaxed by `n` standard deviations. Nothing is trained.

    s(d) = log p(Yes | question, d, prediction from d) - log p(No | ...)     keep d if s(d) >= mean(s) - n * sigma(s)

Chang et al., "MAIN-RAG: Multi-Agent Filtering Retrieval-Augmented Generation", ACL 2025, section 3. The roles are
`predictor`, `judge` and `final_predictor`; what the paper leaves open about the threshold is in `threshold`.

All documents are asked about at the same time, each at its own pace: as soon as its prediction is there its judgement
begins, while the engine still has its KV. Equal documents are judged once and count once. An empty one is dropped.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from functools import cached_property

from langchain_core.documents import Document
from pydantic import Field

from .._explain import count
from ..rag.llm.asked import as_documents
from ..rag.llm.base import OwnModel
from ..rag.llm.cutting import beginning
from ..rag.llm.errors import ContextOverflow
from ..rag.llm.inert import inert
from ..rag.llm.replying import at_once
from ..rag.rerank.fitting import SHORTEST
from ..rag.rerank.runnable import Compressed, Compressor
from ..rag.rerank.types import Passage
from .errors import AgentError
from .judge import Judge
from .predictor import Predictor
from .threshold import decide
from .types import MAX_PREDICTION_TOKENS, Filtered, Found, Way
from .verdicts import oddities, sorted_out

_SPARE = 16
"""Tokens: those of a whole prompt are not quite the sum of those of its parts."""


class MainRagFilter(Compressor):
    """Keeps the documents that support an answer, best first.

    ```python
    from langchain_core.documents import Document
    from ragloom import load
    from ragloom.agents import MainRagFilter

    documents = [Document("Toad lives at Toad Hall."), Document("Rain is wet."), Document("Trains run late.")]
    with load("embedded", n_ctx=2048) as llm:
        filtered = MainRagFilter(llm=llm).filter("Where does Toad live?", documents)
    print(len(filtered.kept) + len(filtered.dropped), filtered.kept[0].score >= filtered.threshold)  # -> 3 True
    ```

    A long document is cut, never silently, where the context has no room for it. What happens is told by `Filtered`;
    as a LangChain compressor it gives copies of what is kept, with `relevance_score` in their metadata, and logs the
    notes as warnings.

    Attributes:
        llm: any model that `ragloom.load` loads; a server has to tell `top_logprobs`.
        n: how many standard deviations below the mean the threshold is.
        min_keep: how many documents are kept at least, the best ones.
        judge: how the Judge is asked: `separate` or `continuation`, see `Judge`.
        max_tokens: where a prediction is cut off.
    """

    llm: OwnModel
    n: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    min_keep: int = Field(default=1, ge=1)
    judge: Way = "separate"
    max_tokens: int = Field(default=MAX_PREDICTION_TOKENS, ge=1)

    @cached_property
    def _predictor(self) -> Predictor:
        return Predictor(llm=self.llm, max_tokens=self.max_tokens)

    @cached_property
    def _judge(self) -> Judge:
        return Judge(llm=self.llm, way=self.judge)

    def filter(
        self, query: str, documents: Sequence[Document | str], *, cancelled: threading.Event | None = None
    ) -> Filtered:
        """Filter documents, or texts; a document's `title` in its metadata is read before its text.

        Args:
            query: the question.
            documents: in any order.
            cancelled: may be set from any thread when nobody waits any longer, which ends what the model does.

        Raises:
            AgentError: the query is empty, or the model tells neither Yes nor No.
            AskedError: `documents` is one text.
            Cancelled: `cancelled` was set.
            ContextOverflow: the question leaves no room for a document.
            DeadlineExceeded: an answer took longer than the model's `timeout`.
            ModelError: the model failed, or a server tells no log-probabilities.
        """
        if not query.strip():
            raise AgentError("the query is empty; documents are filtered for a question")
        given = as_documents(documents)
        passages = [Passage.of(document) for document in given]
        distinct = list(dict.fromkeys(passage for passage in passages if passage.text.strip()))
        if not distinct:
            return sorted_out(given, passages, {}, None, ())
        texts, cut = self._fitting(query, distinct)
        found = at_once(lambda text, ended: self._assess(query, text, ended), texts, cancelled=cancelled)
        notes = (*cut, *oddities(found))
        scores = [each.judgement.score for each in found if each.judgement.told]
        decision = decide(scores, n=self.n, min_keep=self.min_keep)
        return sorted_out(given, passages, dict(zip(distinct, found, strict=True)), decision, notes)

    async def afilter(self, query: str, documents: Sequence[Document | str]) -> Filtered:
        """Filter as `filter` does, without blocking the event loop; a cancelled task ends what the model does."""
        cancelled = threading.Event()
        try:
            return await asyncio.to_thread(self.filter, query, documents, cancelled=cancelled)
        finally:
            cancelled.set()

    def _compressed(
        self, documents: Sequence[Document], query: str, cancelled: threading.Event | None = None
    ) -> Compressed:
        filtered = self.filter(query, documents, cancelled=cancelled)
        return [judged.as_document() for judged in filtered.kept], filtered.notes

    def _fitting(self, query: str, passages: Sequence[Passage]) -> tuple[list[str], tuple[str, ...]]:
        """The passages as the agents read them, and what is to be said of those that were cut."""
        frames = [self._predictor.messages(query, ""), self._judge.messages(query, "", "")]
        taken = max(map(self.llm.get_num_tokens_from_messages, frames)) + self.max_tokens + _SPARE
        room = self.llm.context_size - taken
        if room < SHORTEST:
            what = "the question with the beginning of a document"
            raise ContextOverflow(taken + SHORTEST, self.llm.context_size, what)
        whole = [inert(str(passage)) for passage in passages]
        fitting = [
            text if self.llm.count_tokens(text) <= room else beginning(text, room, self.llm.count_tokens)
            for text in whole
        ]
        cut = sum(one != other for one, other in zip(fitting, whole, strict=True))
        return fitting, (f"{cut} of {count(len(whole), 'document')} cut to {room:,} tokens",) if cut else ()

    def _assess(self, query: str, text: str, ended: threading.Event) -> Found:
        prediction = self._predictor.predict(query, text, cancelled=ended)
        return Found(prediction, self._judge.judge(query, text, prediction, cancelled=ended))
