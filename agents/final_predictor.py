"""The Final-Predictor, MAIN-RAG's third agent: it answers from the documents that are left, best first.

Chang et al., "MAIN-RAG: Multi-Agent Filtering Retrieval-Augmented Generation", ACL 2025, section 3.2. The paper's gives
a bare answer; ours cites the documents, as `cited` does, so that the answer can be grounded.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from pydantic import Field

from ..rag.generate.citing import MAX_ANSWER_TOKENS, MAX_PROMPT_TOKENS, cited
from ..rag.generate.types import Answer
from ..rag.llm.step import Step


class FinalPredictor(Step[Mapping[str, Any], Answer]):
    """Answers a question from the documents that a filter kept.

    It is `cited`, under its name in the paper, as a LangChain Runnable of `{"question": ..., "documents": [...]}`.

    ```python
    from ragloom import load
    from ragloom.agents import FinalPredictor, MainRagFilter
    from langchain_core.documents import Document

    documents = [Document("Toad lives at Toad Hall."), Document("Rain is wet.")]
    with load("embedded", n_ctx=2048) as llm:
        kept = MainRagFilter(llm=llm).compress_documents(documents, "Where does Toad live?")
        print(FinalPredictor(llm=llm).answer("Where does Toad live?", kept).how in {"cited", "unknown"})  # -> True
    ```

    Attributes:
        llm: any LangChain chat model.
        max_prompt_tokens: budget for the documents; those that do not fit are left out, and a note says how many.
        max_answer_tokens: where the answer is cut off.
        language: how sentences are told apart.
    """

    llm: BaseChatModel
    max_prompt_tokens: int = Field(default=MAX_PROMPT_TOKENS, ge=1)
    max_answer_tokens: int = Field(default=MAX_ANSWER_TOKENS, ge=1)
    language: str = "en"

    def _make(self, asked: Mapping[str, Any], cancelled: threading.Event) -> Answer:
        return self.answer(asked["question"], asked["documents"], cancelled=cancelled)

    def answer(
        self, question: str, documents: Sequence[Document], *, cancelled: threading.Event | None = None
    ) -> Answer:
        """The answer, whose `how` is `cited`, or `unknown` if the model declines or there are no documents.

        Args:
            question: what to answer.
            documents: best first.
            cancelled: may be set from any thread when nobody waits any longer, which ends what the LLM writes.

        Raises:
            Cancelled: `cancelled` was set.
            GenerateError: the question is empty, or there is no room for a single document.
            ModelError: the model failed.
        """
        return cited(
            question,
            documents,
            self.llm,
            max_prompt_tokens=self.max_prompt_tokens,
            max_answer_tokens=self.max_answer_tokens,
            language=self.language,
            cancelled=cancelled,
        )
