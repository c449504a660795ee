"""A search whose first result moves the query's vector for a second one, as a LangChain retriever."""

from __future__ import annotations

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from pydantic import Field

from ...stores.corpus import Corpus
from ...stores.query import Mode
from ...stores.retrieving import StoreRetriever
from ...stores.types import Hit
from ..rerank.reranker import Reranker
from .feedback import RERANKED, Feedback, RerankerFeedback, Rocchio
from .query_vector import QueryVector


class FeedbackRetriever(StoreRetriever):
    """Searches twice: what the first search finds moves the query's vector for the second.

    ```python
    from ragloom import Corpus
    from ragloom.rag.retrieve import FeedbackRetriever, Rocchio

    corpus = Corpus("./index")
    corpus.add(["Toad steals a motor-car.", "The motor-car ends in a pond.", "Badger sleeps."])
    retriever = FeedbackRetriever(corpus=corpus, feedback=Rocchio(depth=1), k=2)
    print([document.page_content for document in retriever.invoke("Who steals a motor-car?")])
    # -> ['Toad steals a motor-car.', 'The motor-car ends in a pond.']
    ```

    Each document's metadata has `score` and `rank` of the second search.

    Attributes:
        corpus: what is searched.
        feedback: how the vector is moved; None: by the order of what was found, or by the reranker's scores.
        reranker: reads the first 20 that were found, or as many as the feedback looks at if these are more, of which
            the best count; None: what was found counts in its order.
        k: how many documents the second search finds; may be overridden in `invoke`, as `before` and `after` may be.
        before: how the first search finds: `hybrid` interpolates words and meaning before feedback.
        after: how the second one finds: `hybrid` interpolates after it.
    """

    corpus: Corpus
    feedback: Feedback | None = None
    reranker: Reranker | None = None
    k: int = Field(default=10, ge=1)
    before: Mode = "hybrid"
    after: Mode = "hybrid"

    def vector(self, query: str, *, before: Mode | None = None) -> QueryVector:
        """The query's vector after feedback; the first search finds as `before` says, or as it does by default.

        Raises:
            QueryError: the query is empty, or longer than what the embedder reads.
            EmbedderMismatchError: the corpus was embedded by another model.
        """
        self.corpus.check_embedder()
        feedback = self.feedback or (RerankerFeedback() if self.reranker else Rocchio())
        looked = max(feedback.depth, RERANKED) if self.reranker else feedback.depth
        found = self.corpus.search(query, k=looked, mode=before or self.before)
        if self.reranker:
            ranking = self.reranker.rank(query, [hit.document for hit in found])
            found = [Hit(ranked.document, ranked.score, ranked.rank) for ranked in ranking[: feedback.depth]]
        ids = [str(hit.document.id) for hit in found]
        embedder = self.corpus.embedder
        moved = feedback.move(embedder.encode_query(query), self.corpus.vectors(ids), [hit.score for hit in found])
        return QueryVector.of(query, moved, embedder.fingerprint, made_from=ids)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 - LangChain's signature
        k: int | None = None,
        before: Mode | None = None,
        after: Mode | None = None,
    ) -> list[Document]:
        moved = self.vector(query, before=before).values
        mode = self.after if after is None else after
        return [
            hit.as_document()
            for hit in self.corpus.search(query, vector=moved, k=self.k if k is None else k, mode=mode)
        ]
