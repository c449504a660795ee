"""A corpus as a LangChain retriever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from pydantic import Field, ValidationError

from .._explain import first_problem
from .corpus import Corpus
from .errors import QueryError
from .query import Mode
from .retrieving import StoreRetriever


class CorpusRetriever(StoreRetriever):
    """Hybrid search of a `Corpus` behind LangChain's `BaseRetriever`; every field can be overridden in `invoke`.

    ```python
    from ragloom import Corpus

    corpus = Corpus("./index")
    corpus.add(["Toad steals a motor-car."])
    corpus.as_retriever(k=5).invoke("Who takes the car?", k=1)
    ```

    Each document's metadata has `score` and `rank` besides what `Corpus.search` gives.
    """

    corpus: Corpus
    k: int = Field(default=10, ge=1)
    mode: Mode = "hybrid"
    where: dict[str, Any] | None = None

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 - LangChain's signature
        **overrides: Any,
    ) -> list[Document]:
        options = {"k": self.k, "mode": self.mode, "where": self.where, **overrides}
        return [hit.as_document() for hit in self.corpus.search(query, **options)]


def make_retriever(corpus: Corpus, options: Mapping[str, Any]) -> CorpusRetriever:
    """Make a retriever with these fields.

    Raises:
        QueryError: there is no such field, or it cannot have that value.
    """
    try:
        return CorpusRetriever(corpus=corpus, **options)
    except ValidationError as error:
        raise QueryError(first_problem(error, "option", ("k", "mode", "where"))) from None
