"""Reranking in a LangChain app that is there already: three lines more, and nothing else changes.

The app looks passages up in a vector store. Its embedder is LangChain's fake one, which knows nothing of meaning, so
that the example needs no model for it: the order in which passages come is as good as random. `IcrReranker` orders them
by the attention that a local model pays to each when it reads the question.

    python examples/rerank_existing_langchain_app.py
"""

from __future__ import annotations

from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.vectorstores import InMemoryVectorStore
from ragloom import load
from ragloom.rag.rerank import IcrReranker

QUESTION = "What does the cat do?"
TEXTS = ["Rain is wet.", "Trains run late.", "The cat sleeps all day.", "Bread is baked at night.", "Snow is cold."]


def show(retriever: BaseRetriever) -> None:
    """The rest of the app: here it only prints what it would put into its prompt."""
    app = retriever | RunnableLambda(in_prompt)
    print(app.invoke(QUESTION))


def in_prompt(documents: list[Document]) -> str:
    """The documents as a prompt has them."""
    return "\n".join(document.page_content for document in documents)


def main() -> None:
    """Show the app's documents before and after the change."""
    store = InMemoryVectorStore.from_texts(TEXTS, DeterministicFakeEmbedding(size=16))
    retriever: BaseRetriever = store.as_retriever(search_kwargs={"k": 5})
    show(retriever)

    # These three lines are the change, and the imports of what they name.
    llm = load("embedded", n_ctx=1024)
    reranker = IcrReranker(llm=llm, heads=4, keep=2)
    retriever = ContextualCompressionRetriever(base_compressor=reranker, base_retriever=retriever)
    show(retriever)
    llm.close()


if __name__ == "__main__":
    main()
