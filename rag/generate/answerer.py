"""What makes an answer of a question and documents by an LLM: one verb, `answer`, and LangChain's Runnable on top."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from pydantic import Field

from ..llm.asked import as_documents, asked_for, asked_text
from ..llm.step import Step
from .citing import MAX_ANSWER_TOKENS, MAX_PROMPT_TOKENS
from .types import Answer


class Answerer(Step[Mapping[str, Any], Answer]):
    """Answers a question from documents; a LangChain Runnable of `{"question": ..., "documents": [...]}`.

    Attributes:
        llm: any LangChain chat model.
        max_prompt_tokens: budget for what the answer is made from; what does not fit is left out, and a note says so.
        max_answer_tokens: where the answer is cut off.
        language: how sentences are told apart.
    """

    llm: BaseChatModel
    max_prompt_tokens: int = Field(default=MAX_PROMPT_TOKENS, ge=1)
    max_answer_tokens: int = Field(default=MAX_ANSWER_TOKENS, ge=1)
    language: str = "en"

    def answer(
        self, question: str, documents: Sequence[Document | str], *, cancelled: threading.Event | None = None
    ) -> Answer:
        """The answer, whose `how` is `cited`, or `unknown` if the model declines or there are no documents.

        Args:
            question: what to answer.
            documents: passages, best first; documents or texts.
            cancelled: may be set from any thread when nobody waits any longer, which ends what the LLM writes.

        Raises:
            AskedError: `documents` is one text.
            Cancelled: `cancelled` was set.
            GenerateError: the question is empty, or there is no room for a single passage.
            ModelError: the model failed.
        """
        return self._answer(question, as_documents(documents), cancelled or threading.Event())

    @abstractmethod
    def _answer(self, question: str, documents: Sequence[Document], cancelled: threading.Event) -> Answer:
        """Answer; `cancelled` is set as soon as nobody waits any longer."""

    def _make(self, asked: Mapping[str, Any], cancelled: threading.Event) -> Answer:
        question, documents = asked_for(asked, "question", "documents")
        return self._answer(asked_text(question), as_documents(documents), cancelled)
