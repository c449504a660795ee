"""Grounding: what the LLM wrote stands only if a passage carries it."""

from __future__ import annotations

import pytest
from fakes import HashingEmbedder
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from ragloom.rag.generate import grounding
from ragloom.rag.generate.citing import cited
from ragloom.rag.generate.evidence import Evidence, gather
from ragloom.rag.generate.quoting import quote
from ragloom.rag.generate.types import Answer, Citation, Statement
from toads import DOCUMENTS, EMBEDDER, document, evidence


def ground(draft: Answer, found: Evidence, quotes: Answer | None = None) -> Answer:
    return grounding.ground(draft, found, EMBEDDER, quotes)


def test_grounding_keeps_what_a_passage_says_and_cites_the_sentence() -> None:
    found = evidence("Who stole a motor-car and was sent to prison?")
    draft = cited(
        "Who stole a motor-car and was sent to prison?",
        DOCUMENTS,
        FakeListChatModel(responses=["Later he stole a motor-car [2]."]),
    )
    answer = ground(draft, found)
    assert answer.how == "grounded"
    first = answer.statements[0]
    assert first.text == "Later he stole a motor-car."
    cited_texts = [answer.citations[number - 1].text for number in first.citations]
    assert cited_texts == ["Later he stole a motor-car and was sent to prison."]


def test_pieces_that_others_have_cut_are_told_apart_by_their_texts() -> None:
    texts = ["Parental leave lasts sixteen weeks.", "Dogs are not allowed in the office."]
    found = gather("How long is parental leave?", [Document(text) for text in texts], EMBEDDER)
    draft = Answer("How long?", tuple(map(Statement, texts)), (), "cited")
    quoted = quote(found, passages=1, max_sentences=1)
    assert [each.text for each in quoted.statements] == texts[:1]
    assert [each.text for each in ground(draft, found, quoted).statements] == texts[:1]


def test_a_true_sentence_that_nobody_asked_for_does_not_stand() -> None:
    found = evidence("Who stole a motor-car and was sent to prison?")
    aside = Answer(found.question, (Statement("Mole met Rat by the river in spring."),), (), "cited")
    assert ground(aside, found).how == "quoted"


def test_what_several_sentences_have_cited_is_not_quoted_again() -> None:
    text = "Parents get sixteen weeks of leave. Ask two weeks ahead."
    found = gather("How many weeks of leave?", [document(text, "leave")], HashingEmbedder(dimension=256))
    said = tuple(Statement(sentence) for sentence in ("Parents get sixteen weeks of leave.", "Ask two weeks ahead."))
    answer = ground(Answer("?", said, (), "cited"), found, quote(found, passages=1))
    assert answer.text == "Parents get sixteen weeks of leave. [1] Ask two weeks ahead. [2]"


def test_a_title_that_the_llm_read_before_a_sentence_is_none_of_its_words() -> None:
    page = Document("Parents get sixteen weeks of leave.", metadata={"source_id": "a", "title": "Leave"})
    found = gather("How many weeks?", [page], HashingEmbedder(dimension=256))
    said = (Statement("Leave Parents get sixteen weeks of leave."),)
    assert ground(Answer("?", said, (), "cited"), found).statements[0].text == page.page_content
    part = Document("s is a letter.", metadata={"source_id": "a", "title": "Leave"})
    assert grounding._without_heading("Leaves is a letter.", Citation.of(part)) == "Leaves is a letter."


def test_grounding_drops_an_invention_and_falls_back_to_quotes() -> None:
    found = evidence("What did Toad steal?")
    invented = "Toad piloted a submarine through Antarctica with seven penguins."
    draft = Answer("What did Toad steal?", (Statement(invented),), (), "cited")
    answer = ground(draft, found)
    assert answer.how == "quoted"
    assert [statement.text for statement in answer.dropped] == [invented]
    assert answer.notes == ("what the LLM wrote did not stand: exact quotes",)
    assert invented not in answer.text


def test_what_the_llm_declined_is_told_once() -> None:
    draft = cited("What did Toad steal?", DOCUMENTS, FakeListChatModel(responses=["I don't know."]))
    answer = ground(draft, evidence("What did Toad steal?"))
    assert (answer.how, answer.notes) == ("quoted", ("the LLM found no answer in the passages",))


def test_passages_without_a_sentence_leave_nothing_to_quote_and_no_note_says_otherwise() -> None:
    found = gather("What?", [document("```\nx = 1\n```", "code")], HashingEmbedder())
    answer = ground(Answer("What?", (Statement("It is one."),), (), "cited"), found)
    assert not answer.known
    assert answer.notes == (
        "what the LLM wrote did not stand",
        "the documents hold nothing to quote",
    )


def test_grounding_rejects_a_number_that_no_passage_has() -> None:
    found = gather(
        "When?", [document("The hall was built in 1908 by the river.", "hall")], HashingEmbedder(dimension=256)
    )
    draft = Answer("When?", (Statement("The hall was built in 1909 by the river."),), (), "cited")
    assert ground(draft, found).how == "quoted"


@pytest.mark.parametrize("twisted", ["The hall was not built by the river.", "The hall was never built by the river."])
def test_grounding_rejects_a_negation_that_the_passage_does_not_have(twisted: str) -> None:
    found = gather("Where?", [document("The hall was built by the river.", "hall")], HashingEmbedder(dimension=256))
    assert ground(Answer("Where?", (Statement(twisted),), (), "cited"), found).how == "quoted"


@pytest.mark.parametrize(
    ("passage", "claim"),
    [
        ("It keeps at -5 degrees.", "It keeps at 5 degrees."),
        ("The fee is $15 a month.", "The fee is €15 a month."),
        ("The fund keeps 15% of the fee.", "The fund keeps $15 of the fee."),
        ("Take 1/2 tablet a day.", "Take 2 tablets a day."),
        ("The trip costs 1 500 euros.", "The trip costs 500 euros."),
        ("The trip costs two thousand euros.", "The trip costs two euros."),
        ("The trip costs 5 million euros.", "The trip costs 5 euros."),
        ("Toad does not live in the Wild Wood but at Toad Hall.", "Toad does not live at Toad Hall."),
        ("Interns cannot claim travel costs, but managers can claim meals.", "Interns cannot claim meals."),
        ("Nothing in this policy allows dogs in the office.", "This policy allows dogs in the office."),
        ("Employees may hardly enter the lab.", "Employees may enter the lab."),
        ("Few employees may enter the lab.", "Employees may enter the lab."),
    ],
)
def test_a_claim_that_leaves_out_what_matters_does_not_stand(passage: str, claim: str) -> None:
    found = gather(claim, [document(passage, "policy")], HashingEmbedder(dimension=256))
    assert ground(Answer("?", (Statement(claim),), (), "cited"), found).how == "quoted"
    assert ground(Answer("?", (Statement(passage),), (), "cited"), found).how == "grounded"


@pytest.mark.parametrize(
    "claim",
    [
        'Toad said "I stole the motor-car."',
        "Leave lasts sixteen weeks (fully paid.)",
        "**Parental leave lasts sixteen weeks.**",
        "The trip costs 1,500 euros.",
    ],
)
def test_a_whole_sentence_stands_whatever_closes_it(claim: str) -> None:
    found = gather(claim, [document(claim.replace("1,500", "1 500"), "page")], HashingEmbedder(dimension=256))
    assert ground(Answer("?", (Statement(claim),), (), "cited"), found).how == "grounded"


def test_the_words_of_a_passage_shuffled_into_nonsense_do_not_stand() -> None:
    text = "If a loop is terminated by a break statement, the loop control target keeps its current value."
    found = gather("When does break run?", [document(text, "loop")], HashingEmbedder(dimension=256))
    nonsense = Statement("The break statement is a loop terminated by the current value of the target.")
    assert ground(Answer("When?", (nonsense,), (), "cited"), found).how == "quoted"


def test_one_wrong_word_in_a_long_sentence_is_enough_to_fall() -> None:
    text = "Parental leave lasts sixteen weeks and is fully paid and may be taken in two parts by every parent."
    found = gather("How long?", [document(text, "leave")], HashingEmbedder(dimension=256))
    assert ground(Answer("How long?", (Statement(text),), (), "cited"), found).how == "grounded"
    wrong = Answer("How long?", (Statement(text.replace("sixteen", "eighteen")),), (), "cited")
    assert ground(wrong, found).how == "quoted"
