"""Quotes by attention: exact words, of what was read, and those that the question is about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from langchain_core.documents import Document
from ragloom import Embedder, load
from ragloom.rag.generate import Evidence, gather, quote, quote_attended
from ragloom.rag.graph import Context, RagState, Registry
from ragloom.rag.llm import AttentionUnavailable
from ragloom.rag.llm.base import ChatModel

pytestmark = pytest.mark.model

TEXT = (
    "Saturn is the sixth planet from the Sun. It is a gas giant. Its rings are mostly made of ice, with some rock and "
    "dust. Galileo was the first to see them, in 1610. The planet is named after a Roman god. Saturday is named after "
    "the planet. Storms there last for months. A year on Saturn takes twenty-nine of ours."
)
RINGS = "Its rings are mostly made of ice, with some rock and dust."
OTHER = "Bread is baked in the early morning. The baker sleeps in the afternoon."


@pytest.fixture(scope="module")
def llm() -> Iterator[ChatModel]:
    with load("embedded", n_ctx=2048) as opened:
        yield opened


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    documents = [
        Document(TEXT, id="saturn", metadata={"source": "saturn", "start": 100, "title": "Saturn"}),
        Document(OTHER, id="bread", metadata={"source": "bread"}),
    ]
    return gather("What are the rings of Saturn made of?", documents, Embedder())


def test_the_sentence_that_answers_is_quoted_to_the_letter(llm: ChatModel, evidence: Evidence) -> None:
    answer = quote_attended(evidence, llm, max_sentences=1)
    assert [statement.text for statement in answer.statements] == [RINGS]
    (citation,) = answer.citations
    assert TEXT[citation.start - 100 : citation.end - 100] == citation.text == RINGS
    assert (answer.how, answer.confidence) == ("quoted", evidence.confidence)


def test_only_the_best_passages_are_read(llm: ChatModel, evidence: Evidence) -> None:
    answer = quote_attended(evidence, llm, passages=1, max_sentences=99, spread=99.0)
    assert {citation.source for citation in answer.citations} == {"saturn"}
    assert answer.citations[0].text == TEXT
    everything = quote_attended(evidence, llm, max_sentences=99, spread=99.0)
    assert {citation.source for citation in everything.citations} == {"saturn", "bread"}


def test_attention_decides_between_sentences_that_are_equally_near(llm: ChatModel, evidence: Evidence) -> None:
    blind = replace(evidence, sentence_scores=evidence.sentence_scores * 0)
    assert quote_attended(blind, llm, max_sentences=3).text != quote(blind, max_sentences=3).text
    assert RINGS in quote_attended(blind, llm, max_sentences=3).text


def test_where_there_is_no_sentence_there_is_nothing_to_quote(llm: ChatModel) -> None:
    code = gather("What?", [Document("```\nx = 1\n```")], Embedder())
    assert not quote_attended(code, llm).known


def test_what_was_cut_and_what_it_cost_is_told() -> None:
    long = gather("Who sleeps?", [Document(OTHER * 60, metadata={"source": "bread"})], Embedder())
    with load("embedded", n_ctx=512) as small:
        answer = quote_attended(long, small)
    assert answer.notes[0].startswith("1 of 1 document cut to ")
    assert answer.usage["input_tokens"] > 256


def test_the_node_quotes_as_the_function_does(llm: ChatModel, evidence: Evidence) -> None:
    attended = Registry.installed().nodes["quote-attended"]
    state = RagState(question=evidence.question, evidence=evidence)
    context = Context("quotes", load_llm=lambda: llm)
    update = attended(state, context, max_sentences=2, min_confidence=0.0)
    assert update["answer"] == update["quotes"] == quote_attended(evidence, llm, max_sentences=2)
    assert context.notes == [f"{len(update['answer'].citations)} places, {len(update['answer'].text)} characters"]
    assert not attended(state, context, min_confidence=1.01)["answer"].known


def test_a_server_shows_no_attention(evidence: Evidence) -> None:
    with pytest.raises(AttentionUnavailable):
        quote_attended(evidence, load("http://localhost:9/v1"))
