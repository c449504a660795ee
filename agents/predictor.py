"""The Predictor, MAIN-RAG's first agent: it answers the question from one document.

Chang et al., "MAIN-RAG: Multi-Agent Filtering Retrieval-Augmented Generation", ACL 2025, section 3.2. What it answers
shows the Judge what the document is good for.

The question stands before the document, where the paper has it after, so that the prompts of all documents begin alike.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from pydantic import Field

from ..prompts import Prompt, load_prompt
from ..rag.llm.asked import asked_for
from ..rag.llm.inert import inert
from ..rag.llm.replying import reply
from ..rag.llm.step import Step
from ..rag.rerank.types import Passage
from .types import MAX_PREDICTION_TOKENS


class Predictor(Step[Mapping[str, Any], str]):
    """Answers a question from one document; a LangChain Runnable of `{"question": ..., "document": ...}`.

    ```python
    from ragloom import load
    from ragloom.agents import Predictor

    with load("embedded", n_ctx=1024) as llm:
        print(Predictor(llm=llm).predict("Where does Toad live?", "Toad lives at Toad Hall."))
    ```

    Attributes:
        llm: any LangChain chat model.
        max_tokens: where the answer is cut off.
    """

    llm: BaseChatModel
    max_tokens: int = Field(default=MAX_PREDICTION_TOKENS, ge=1)

    @cached_property
    def _prompt(self) -> Prompt:
        return load_prompt("main_rag_predictor")

    def _make(self, asked: Mapping[str, Any], cancelled: threading.Event) -> str:
        question, document = asked_for(asked, "question", "document")
        return self.predict(question, text_of(document), cancelled=cancelled)

    def messages(self, question: str, document: str) -> list[BaseMessage]:
        """What the model is asked."""
        return self._prompt.render(question=inert(question), document=inert(document))

    def predict(self, question: str, document: str, *, cancelled: threading.Event | None = None) -> str:
        """The answer that the document gives; empty if the model says nothing.

        Args:
            question: what to answer.
            document: what to answer from.
            cancelled: may be set from any thread when nobody waits any longer, which ends the answer.

        Raises:
            Cancelled: `cancelled` was set.
            ContextOverflow: the document is longer than the context.
            ModelError: the model failed.
        """
        asked = self.messages(question, document)
        return reply(self.llm, asked, max_tokens=self.max_tokens, cancelled=cancelled).text


def text_of(document: Document | str) -> str:
    """What the agents read of a document: its title, if its metadata has one, and its text."""
    return document if isinstance(document, str) else str(Passage.of(document))
