"""Rerankers in LangChain's own parts: its compressing retriever, and chains with `|`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.documents import Document
from langchain_core.runnables import RunnablePassthrough
from ragloom import Corpus, load
from ragloom.rag.llm import ChatModel
from ragloom.rag.rerank import CrossEncoderReranker, FirstReranker, IcrCompressor, IcrReranker, Reranker
from tiny_cross_encoder import write_tiny_cross_encoder

pytestmark = pytest.mark.model

QUESTION = "What does the cat do?"
TEXTS = ["Rain is wet.", "Trains run late.", "The cat sleeps all day.", "Bread is baked at night."]


@pytest.fixture(scope="module")
def llm() -> Iterator[ChatModel]:
    with load("embedded", n_ctx=512) as model:
        yield model


@pytest.fixture(scope="module")
def rerankers(llm: ChatModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reranker]:
    folder = write_tiny_cross_encoder(tmp_path_factory.mktemp("tiny"), [QUESTION, *TEXTS])
    return {
        "icr": IcrReranker(llm=llm, keep=2),
        "first": FirstReranker(llm=llm, keep=2),
        "cross-encoder": CrossEncoderReranker(model=folder, keep=2),
    }


@pytest.fixture(params=["icr", "first", "cross-encoder"])
def reranker(request: pytest.FixtureRequest, rerankers: dict[str, Reranker]) -> Reranker:
    return rerankers[request.param]


@pytest.fixture
def found(corpus: Corpus) -> Corpus:
    corpus.add(TEXTS)
    return corpus


def best(documents: list[Document]) -> list[tuple[str, float]]:
    return [(each.page_content, round(each.metadata["relevance_score"], 6)) for each in documents]


def test_a_compressing_retriever_ranks_what_the_corpus_finds(reranker: Reranker, found: Corpus) -> None:
    retriever = ContextualCompressionRetriever(base_compressor=reranker, base_retriever=found.as_retriever(k=4))
    documents = retriever.invoke(QUESTION)
    assert len(documents) == 2
    assert documents[0].metadata["relevance_score"] > documents[1].metadata["relevance_score"]
    if isinstance(reranker, IcrReranker):
        assert documents[0].page_content == "The cat sleeps all day."
    told = asyncio.run(retriever.ainvoke(QUESTION))
    assert [text for text, _ in best(told)] == [text for text, _ in best(documents)]


def test_a_compressing_retriever_keeps_the_sentences_that_matter(llm: ChatModel, corpus: Corpus) -> None:
    corpus.add([" ".join(TEXTS), *TEXTS[:2]])
    compressor = IcrCompressor(reranker=IcrReranker(llm=llm), max_tokens=8)
    retriever = ContextualCompressionRetriever(base_compressor=compressor, base_retriever=corpus.as_retriever(k=4))
    (kept,) = retriever.invoke(QUESTION)
    assert kept.page_content == "The cat sleeps all day."
    assert kept.metadata["end"] - kept.metadata["start"] == len(kept.page_content)
    assert asyncio.run(retriever.ainvoke(QUESTION)) == [kept]


def test_a_reranker_stands_in_a_chain(reranker: Reranker, found: Corpus) -> None:
    retriever: Any = found.as_retriever(k=4)
    chain = {"query": RunnablePassthrough(), "documents": retriever} | reranker.as_runnable()
    documents = chain.invoke(QUESTION)
    assert len(documents) == 2
    assert [text for text, _ in best(asyncio.run(chain.ainvoke(QUESTION)))] == [text for text, _ in best(documents)]
