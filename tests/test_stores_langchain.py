"""A corpus as a LangChain retriever, by LangChain's own tests and ours."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fakes import HashingEmbedder
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnablePassthrough
from langchain_tests.integration_tests import RetrieversIntegrationTests
from ragloom.stores import Chunk, Corpus, CorpusRetriever
from ragloom.stores.errors import QueryError

TEXTS = ["Mole digs a hole.", "Rat rows a boat.", "Toad drives a car.", "Badger sleeps.", "Otter swims."]


@pytest.fixture
def retriever(corpus: Corpus) -> CorpusRetriever:
    corpus.add(Chunk.from_text(text, id=text.split()[0], metadata={"length": len(text)}) for text in TEXTS)
    return corpus.as_retriever(k=2)


class TestStandard(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def _fill(self, corpus: Corpus) -> None:
        corpus.add(TEXTS)
        self.corpus = corpus

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return CorpusRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"corpus": self.corpus}

    @property
    def retriever_query_example(self) -> str:
        return "who drives a car?"


def test_k_is_honoured_by_constructor_and_invoke(retriever: CorpusRetriever) -> None:
    assert len(retriever.invoke("who drives a car?")) == 2
    assert len(retriever.invoke("who drives a car?", k=4)) == 4
    assert len(retriever.invoke("who drives a car?")) == 2


def test_mode_and_filter_can_be_given_at_both_places(corpus: Corpus, retriever: CorpusRetriever) -> None:
    assert [d.id for d in retriever.invoke("a boat or a hole", mode="lexical", where={"length": 16})] == ["Rat"]
    words = corpus.as_retriever(mode="lexical", where={"length": {"$lt": 16}})
    assert words.invoke("Rat rows a boat") == []
    assert [d.id for d in words.invoke("Badger")] == ["Badger"]


def test_documents_carry_score_and_rank_and_leave_the_corpus_as_it_is(
    corpus: Corpus, retriever: CorpusRetriever
) -> None:
    first, second = retriever.invoke("Toad drives a car.")
    assert (first.id, first.metadata["rank"], second.metadata["rank"]) == ("Toad", 1, 2)
    assert first.metadata["score"] > second.metadata["score"]
    assert "score" not in corpus.get(["Toad"])[0].metadata


def test_an_unknown_option_is_refused(corpus: Corpus, retriever: CorpusRetriever) -> None:
    for options, message in (
        ({"kk": 3}, r"unknown option 'kk'; did you mean 'k'\?"),
        ({"k": 0}, "k should be greater than or equal to 1, not 0"),
        ({"mode": "fuzzy"}, "mode should be 'hybrid', 'dense' or 'lexical', not 'fuzzy'"),
        ({"where": [1]}, r"where should be a mapping, not \[1\]"),
        ({"where": [1], "x": 1}, "unknown option 'x'; expected one of: k, mode, where"),
    ):
        with pytest.raises(QueryError, match=message) as caught:
            corpus.as_retriever(**options)
        assert "\n" not in str(caught.value)
    with pytest.raises(TypeError, match="kk"):
        retriever.invoke("question", kk=3)
    with pytest.raises(QueryError, match="the query is empty"):
        retriever.invoke("")


def test_it_is_a_step_of_a_chain(retriever: CorpusRetriever) -> None:
    prompt = ChatPromptTemplate.from_template("{context}|{question}")
    chain = {"context": retriever | (lambda found: found[0].page_content), "question": RunnablePassthrough()} | prompt
    message = chain.invoke("Otter swims.").to_messages()[0]
    assert message.content == "Otter swims.|Otter swims."


def test_many_questions_at_once(retriever: CorpusRetriever) -> None:
    assert [found[0].page_content for found in retriever.batch(TEXTS)] == TEXTS

    async def ask() -> list[str]:
        found = await asyncio.gather(*(retriever.ainvoke(text) for text in TEXTS))
        return [documents[0].page_content for documents in found]

    assert asyncio.run(ask()) == TEXTS


def test_any_langchain_embeddings_will_do(tmp_path: Any) -> None:
    embeddings = DeterministicFakeEmbedding(size=24)
    with Corpus(tmp_path, embedder=embeddings) as corpus:
        corpus.add(TEXTS)
        assert corpus.search(TEXTS[2], mode="dense", k=1)[0].document.page_content == TEXTS[2]
        assert corpus.embedder_fingerprint is not None
        assert corpus.embedder_fingerprint.describe() == "DeterministicFakeEmbedding (24 dimensions, no hash)"
    with Corpus(tmp_path, embedder=DeterministicFakeEmbedding(size=24)) as corpus:
        assert corpus.search(TEXTS[1], k=1)[0].document.page_content == TEXTS[1]
    with Corpus(tmp_path, embedder=HashingEmbedder(24)) as corpus, pytest.raises(Exception, match="holds vectors of"):
        corpus.search(TEXTS[1])


def test_options_can_be_given_where_it_is_awaited(retriever: CorpusRetriever) -> None:
    async def ask() -> list[int]:
        bound = retriever.bind(k=3)
        found = await asyncio.gather(retriever.ainvoke("who?", k=4), bound.ainvoke("who?"), retriever.ainvoke("who?"))
        return [len(documents) for documents in found]

    assert asyncio.run(ask()) == [4, 3, 2]
    assert [d.id for d in asyncio.run(retriever.ainvoke("a boat", mode="lexical", where={"length": 16}))] == ["Rat"]


def test_metadata_under_a_name_that_every_hit_needs_have_an_underscore(tmp_path: Any, corpus: Corpus) -> None:
    own = {"section": "Safety", "heading": "PPE", "start": "2020-01-01", "source": {"url": "http://x"}, "title": None}
    corpus.add([Document(page_content="Wear a helmet.", metadata=own)])
    (hit,) = corpus.search("helmet", where={"section_": "Safety", "start_": {"$gte": "2019"}})
    metadata = hit.document.metadata
    assert (metadata["section"], metadata["heading"], metadata["start"]) == ([0, 14], [], 0)
    assert (metadata["heading_"], metadata["source_"]) == ("PPE", {"url": "http://x"})
    assert "title_" not in metadata
    with Corpus(tmp_path / "other", embedder=HashingEmbedder(24)) as other:
        other.add([hit.document])
        assert other.search("helmet")[0].document.metadata.keys() == metadata.keys()
