"""From question to answer with the real embedder and the real LLM: grounded, cited to the character, or unknown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ragloom import Corpus, Embedder, RagState, ask, load
from ragloom.rag.generate.citing import cited
from ragloom.rag.generate.errors import GenerateError
from ragloom.rag.llm.preload import preload
from ragloom.stores.errors import QueryError
from ragloom.stores.types import Chunk, Source

HANDBOOK = """Parental leave lasts sixteen weeks and is fully paid. It may be taken in two parts.

Travel must be approved by your supervisor before you book it. Receipts are due within five days of your return.

The office in Lisbon opens at nine. Dogs are welcome on Fridays."""


@pytest.fixture(scope="module")
def handbook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corpus]:
    source = Source("handbook.md", HANDBOOK, "Handbook")
    starts = [0, HANDBOOK.index("Travel"), HANDBOOK.index("The office")]
    ends = [HANDBOOK.index("\n\nTravel"), HANDBOOK.index("\n\nThe office"), len(HANDBOOK)]
    chunks = [Chunk(source, start, end, section=(start, end)) for start, end in zip(starts, ends, strict=True)]
    with Corpus(tmp_path_factory.mktemp("handbook") / "index", embedder=Embedder()) as corpus:
        corpus.add(chunks)
        yield corpus


def assert_cited_to_the_character(reply: RagState, corpus: Corpus) -> None:
    assert reply.answer.statements
    for statement in reply.answer.statements:
        assert statement.citations
    for citation in reply.answer.citations:
        source = corpus.source(citation.source_id)
        assert source is not None
        assert source.text[citation.start : citation.end] == citation.text


@pytest.mark.model
def test_quotes_hold_the_answer_and_point_to_it(handbook: Corpus) -> None:
    reply = ask("How long is parental leave?", handbook)
    assert reply.answer.how == "quoted"
    assert "sixteen weeks" in reply.answer.text
    assert_cited_to_the_character(reply, handbook)


@pytest.mark.model
def test_what_the_documents_do_not_answer_never_reaches_the_llm(handbook: Corpus) -> None:
    def llm() -> None:
        raise AssertionError("the LLM was asked for")

    reply = ask("Who won the football World Cup in 1998?", handbook, llm=llm)  # type: ignore[arg-type]
    assert reply.answer.how == "unknown"
    assert "I don't know" in str(reply)


@pytest.mark.parametrize("asked", [{"question": " "}, {"question": "Why?", "k": 0}])
def test_a_bad_question_is_refused_before_anything_is_loaded(tmp_path: Path, asked: dict[str, Any]) -> None:
    embedder = Embedder("no-such-model")
    with Corpus(tmp_path / "index", embedder=embedder) as corpus, pytest.raises(QueryError):
        ask(corpus=corpus, **asked)


@pytest.mark.model
def test_how_sure_an_answer_has_to_be_is_yours_to_set(handbook: Corpus) -> None:
    question = "How long is parental leave?"
    confidence = ask(question, handbook).answer.confidence
    assert confidence is not None
    assert not ask(question, handbook, min_confidence=confidence + 0.01).answer.known
    assert ask("Who won the football World Cup in 1998?", handbook, min_confidence=0).answer.known


@pytest.mark.model
def test_with_the_llm_every_shown_sentence_still_rests_on_a_passage(handbook: Corpus) -> None:
    with load("embedded") as llm:
        reply = ask("Who has to approve my travel?", handbook, llm=llm)
    assert reply.answer.how in {"grounded", "quoted"}
    assert "supervisor" in reply.answer.text
    assert_cited_to_the_character(reply, handbook)
    assert [step.node for step in reply.trace] == ["retrieve", "evidence", "quote", "expand", "draft", "ground"]
    assert {step.node: step.tokens_in for step in reply.trace}["draft"] == reply.answer.usage["input_tokens"]
    assert reply.answer.usage["input_tokens"] > 0


@pytest.mark.model
def test_a_question_longer_than_the_embedder_reads_is_refused_with_both_numbers(handbook: Corpus) -> None:
    for mode, error in (("hybrid", QueryError), ("lexical", GenerateError)):
        with pytest.raises(error, match=r"has 1202 tokens, but the embedder reads 256"):
            ask("How long is parental leave? " * 200, handbook, mode=mode)  # type: ignore[arg-type]


@pytest.mark.model
def test_a_question_that_fills_the_context_is_refused_with_both_numbers(handbook: Corpus) -> None:
    documents = [hit.document for hit in handbook.search("leave")]
    with (
        load("embedded", n_ctx=512) as llm,
        pytest.raises(GenerateError, match=r"question has \d+ tokens.*context of 511"),
    ):
        cited("How long is parental leave? " * 200, documents, llm)


@pytest.mark.model
def test_a_preloaded_llm_answers_like_a_loaded_one() -> None:
    llm = preload("embedded")()
    assert llm.invoke("Say hello.", max_tokens=4).content


def test_an_empty_question_is_refused(corpus: Corpus) -> None:
    corpus.add(["Something."])
    with pytest.raises(QueryError, match="empty"):
        ask("  ", corpus)


def test_an_empty_corpus_knows_nothing(corpus: Corpus) -> None:
    assert ask("Anything?", corpus).answer.how == "unknown"


def test_a_reply_is_json(corpus: Corpus, tmp_path: Path) -> None:
    import json

    corpus.add(["Toad steals a motor-car from the inn."])
    reply = ask("Toad steals a motor-car from the inn", corpus)
    data = json.loads(json.dumps(reply.as_dict()))
    assert data["answer"] == str(reply)
    assert {"node", "milliseconds", "detail"} <= data["trace"][0].keys()
