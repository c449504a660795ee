"""The Final-Predictor, MAIN-RAG's third agent: it answers from the documents that are left, best first.

Chang et al., "MAIN-RAG: Multi-Agent Filtering Retrieval-Augmented Generation", ACL 2025, section 3.2. The paper's gives
a bare answer; ours cites the documents, as `cited` does, so that the answer can be grounded.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from langchain_core.documents import Document

from ..rag.generate.answerer import Answerer
from ..rag.generate.citing import cited
from ..rag.generate.types import Answer


class FinalPredictor(Answerer):
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

    Its attributes are those of `Answerer`.
    """

    def _answer(self, question: str, documents: Sequence[Document], cancelled: threading.Event) -> Answer:
        return cited(
            question,
            documents,
            self.llm,
            max_prompt_tokens=self.max_prompt_tokens,
            max_answer_tokens=self.max_answer_tokens,
            language=self.language,
            cancelled=cancelled,
        )
