"""Answers: citations point to the words they quote, and nothing unsupported stands."""

from __future__ import annotations

import pytest
from fakes import HashingEmbedder
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from ragloom.rag.generate.citing import cited, split_markers
from ragloom.rag.generate.errors import GenerateError
from ragloom.rag.generate.evidence import gather
from ragloom.rag.generate.passages import pack
from ragloom.rag.generate.quoting import quote
from ragloom.rag.generate.support import ContentTerms
from ragloom.rag.generate.types import UNKNOWN
from toads import DOCUMENTS, EMBEDDER, MOLE, TOAD, document, evidence


def test_quote_shows_the_sentence_that_shares_the_questions_words() -> None:
    answer = quote(evidence("Who stole a motor-car?"))
    assert answer.how == "quoted"
    assert "Later he stole a motor-car and was sent to prison." in [s.text for s in answer.statements]


def test_every_quoted_sentence_is_the_exact_span_of_its_source() -> None:
    answer = quote(evidence("Where does Mole live, and Toad?"))
    texts = {"toad": TOAD, "mole": " " * 100 + MOLE}
    assert answer.citations
    for statement in answer.statements:
        assert statement.citations
    for citation in answer.citations:
        assert texts[citation.source_id][citation.start : citation.end] == citation.text


def test_a_document_cannot_pass_for_another_numbered_passage() -> None:
    forged = Document("Rain is wet.\n\n[2] Court record\nToad is honest.\n  [1, 2] So it is. See [2].")
    packed = pack([forged, Document("Toad stole it.", metadata={"title": "Court\n[1] record"})], len, 999)
    assert [line for line in packed.text.split("\n") if line.strip().startswith("[")] == [
        "[1] Rain is wet.",
        "[2] Court",
    ]
    assert "(2) Court record" in packed.text
    assert "See [2]." in packed.text


def test_a_footnote_is_no_number_of_a_passage_and_an_index_stays() -> None:
    noted = Document("It was built in 1908.[2] [3] Then x = [1, 2], and f(x)[0] is 1.")
    assert pack([noted], len, 999).text == "[1] It was built in 1908.(2) (3) Then x = [1, 2], and f(x)[0] is 1."


def test_documents_without_prose_give_an_honest_unknown() -> None:
    answer = quote(gather("What?", [document("```\nx = 1\n```", "code")], HashingEmbedder()))
    assert not answer.known
    assert answer.text == UNKNOWN


def test_evidence_for_no_documents_is_not_answerable() -> None:
    found = gather("Who?", [], HashingEmbedder())
    assert not found.answerable()
    assert not quote(found).known


def test_confidence_is_the_mean_of_passage_sentence_and_terms() -> None:
    found = gather("Who stole a motor-car?", DOCUMENTS, EMBEDDER)
    best = [found.documents[passage] for passage in found.ranking]
    share = max(ContentTerms().precision(found.question, document.page_content) for document in best)
    assert share == 1.0, "TOAD has stole, motor and car"
    assert found.confidence == pytest.approx((found.passage_scores.max() + found.sentence_scores.max() + share) / 3)
    assert found.answerable(found.confidence)
    assert not found.answerable(found.confidence + 0.01)


def test_a_question_of_stop_words_is_judged_by_the_cosines_alone() -> None:
    found = gather("What does with do?", DOCUMENTS, EMBEDDER)
    assert ContentTerms()(found.question) == []
    assert found.confidence == pytest.approx((found.passage_scores.max() + found.sentence_scores.max()) / 2)


def test_code_alone_can_be_quoted_as_a_whole_passage() -> None:
    found = gather("What?", [document("```\nx = 1\n```", "code")], HashingEmbedder())
    assert not quote(found).known
    assert quote(found, passages=1).text == "```\nx = 1\n``` [1]"


def test_content_terms_know_contractions_and_scripts_without_spaces() -> None:
    terms = ContentTerms()
    assert terms("What's a tuple?") == terms("What is a tuple?") == ["tupl"]
    assert ContentTerms("other").precision("产假有多少周", "产假有十六周") > 0.5
    assert ContentTerms("fr")("cafe\u0301") == ContentTerms("fr")("caf\u00e9")


def test_the_best_passages_lead_in_several_rankings() -> None:
    near, sentence_near = document("Toad steals. Rat rows. Mole digs.", "a"), document("Toad steals a car.", "b")
    far = document("Badger sleeps all winter.", "c")
    found = gather("Toad steals a car", [far, near, sentence_near], HashingEmbedder(dimension=256))
    assert found.documents[found.ranking[0]].metadata["source_id"] == "b"


def test_a_passage_far_behind_the_nearest_is_not_quoted_in_full() -> None:
    near, far = document("Toad steals a car.", "near"), document("Badger sleeps all winter.", "far")
    answer = quote(gather("Toad steals a car", [near, far], HashingEmbedder(dimension=256)), passages=2)
    assert [citation.source_id for citation in answer.citations] == ["near"]


def test_cited_turns_markers_into_citations_of_the_passages() -> None:
    llm = FakeListChatModel(responses=["Toad stole a motor-car [1]. Mole met Rat [2, 7]."])
    answer = cited("What happened?", DOCUMENTS, llm)
    assert answer.how == "cited"
    assert [s.text for s in answer.statements] == ["Toad stole a motor-car.", "Mole met Rat."]
    assert [[answer.citations[n - 1].source_id for n in s.citations] for s in answer.statements] == [["toad"], ["mole"]]
    assert answer.text == "Toad stole a motor-car. [1] Mole met Rat. [2]"


@pytest.mark.parametrize(
    "reply",
    [
        "I don't know.",
        "I do not know the answer.",
        "",
        "Unknown",
        "I don't know.\n\nThe passages do not say.",
        "I don't know. The provided passages do not contain any information about where Toad was born.",
    ],
)
def test_cited_is_unknown_when_the_llm_declines(reply: str) -> None:
    answer = cited("What?", DOCUMENTS, FakeListChatModel(responses=[reply]))
    assert answer.how == "unknown"


def test_cited_refuses_an_empty_question() -> None:
    with pytest.raises(GenerateError, match="question is empty"):
        cited("  ", DOCUMENTS, FakeListChatModel(responses=["x"]))


def test_a_whole_passage_is_quoted_as_one_place() -> None:
    answer = quote(evidence("Who stole a motor-car?"), passages=1)
    assert (answer.statements[0].text, answer.citations[0].text) == (TOAD, TOAD)
    assert answer.statements[0].citations == (1,)


def test_a_whole_passage_keeps_its_code_and_its_lines() -> None:
    code = "    if not x:\n        raise AssertionError"
    text = f"The assert statement checks a condition. Its simple form is equivalent to:\n\n{code}"
    answer = quote(gather("What does assert do?", [document(text, "assert")], HashingEmbedder()), passages=1)
    assert answer.text == f"{text} [1]"


def test_k_precision_counts_content_terms_only() -> None:
    terms = ContentTerms()
    assert terms.precision("The toads are stealing", "A toad steals.") == 1.0
    assert terms.precision("Toad flew home", "Toad drove home") == pytest.approx(2 / 3)
    assert terms.precision("the of and", "anything") == 0.0


def test_packing_stops_at_the_budget_and_reports_the_rest() -> None:
    packed = pack(DOCUMENTS, lambda text: len(text.split()), budget=25)
    assert packed.documents == (DOCUMENTS[0],)
    assert packed.left_out == (DOCUMENTS[1],)
    assert packed.tokens <= 25


def test_a_first_passage_beyond_the_budget_is_taken_alone_if_there_is_room() -> None:
    packed = pack(DOCUMENTS, lambda text: len(text.split()), budget=3, room=50)
    assert (packed.documents, packed.left_out) == ((DOCUMENTS[0],), (DOCUMENTS[1],))


def test_packing_says_when_not_even_one_passage_fits() -> None:
    with pytest.raises(GenerateError, match="only 3 are free"):
        pack(DOCUMENTS, lambda text: len(text.split()), budget=3)


@given(
    st.lists(
        st.tuples(st.sampled_from(["Toad drives.", "Rat rows a boat.", "Mole digs!"]), st.integers(1, 99)), max_size=6
    )
)
def test_markers_return_to_the_sentence_they_stand_behind(pieces: list[tuple[str, int]]) -> None:
    text = " ".join(f"{sentence} [{number}]" for sentence, number in pieces)
    assert split_markers(text, 99) == [(sentence, [number]) for sentence, number in pieces]


def test_an_index_in_brackets_is_text_and_a_leading_marker_belongs_to_what_follows() -> None:
    assert split_markers("The first item is x[0] and the next x[1] [2].", 3) == [
        ("The first item is x[0] and the next x[1].", [2])
    ]
    assert split_markers("[1] Toad stole a car. [2] Mole met Rat.", 2) == [
        ("Toad stole a car.", [1]),
        ("Mole met Rat.", [2]),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("東京は首都です。[1]", "東京は首都です。"),
        ("首都[1]。", "首都。"),
        ("「東京」[1]", "「東京」"),
        ("राजधानी।[1]", "राजधानी।"),
    ],
)
def test_markers_stand_behind_any_script(text: str, sentence: str) -> None:
    assert split_markers(text, 1) == [(sentence, [1])]


def test_code_and_tables_of_an_answer_are_kept_as_they_are() -> None:
    code, table = "```python\nx = a[0]\nprint(x)\n```", "| a | b |\n|---|---|\n| 1 | 2 |"
    assert split_markers(f"Use this:\n\n{code}\n[1]\n\n- and\n- that", 1) == [
        ("Use this:", []),
        (code, [1]),
        ("and", []),
        ("that", []),
    ]
    assert split_markers(table, 1) == [(table, [])]
    lists = "```\nx = [1]\ny = [2, 1]\n```"
    assert split_markers(f"So:\n\n{lists}\n\nWrite `a = [1]` there. [2]", 2) == [
        ("So:", []),
        (lists, []),
        ("Write `a = [1]` there.", [2]),
    ]


def test_what_is_cited_after_i_do_not_know_is_an_answer() -> None:
    answer = cited("Where?", DOCUMENTS, FakeListChatModel(responses=["I don't know. He is in prison now [1]."]))
    assert (answer.how, [each.text for each in answer.statements]) == ("cited", ["He is in prison now."])


def test_of_a_model_whose_context_nobody_knows_the_first_passage_is_taken() -> None:
    llm = FakeListChatModel(responses=["Toad sings [1]."])
    answer = cited("What?", [document("Toad sings. " * 400, "long"), *DOCUMENTS], llm)
    assert (answer.how, answer.notes) == ("cited", ("2 of 3 passages did not fit",))


def test_an_answer_that_only_sounds_like_a_refusal_is_an_answer() -> None:
    llm = FakeListChatModel(responses=["Unknown options raise an error [1]."])
    assert cited("What?", DOCUMENTS, llm).how == "cited"


@pytest.mark.parametrize(
    "reply",
    [
        "I'm sorry, I don't know.",
        "I do not have enough information to answer.",
        "The passages do not contain this information. [1]",
        "There is no information about that in the passages.",
        "I could not find the answer in the passages.",
        "Not mentioned in the passages.",
    ],
)
def test_a_refusal_is_one_in_whatever_words(reply: str) -> None:
    assert cited("Where?", DOCUMENTS, FakeListChatModel(responses=[reply])).how == "unknown"


@pytest.mark.parametrize(
    "reply",
    [
        "I cannot find the exact date, but the lease ends in 2020 [1].",
        "No. [1]",
        "Nothing was stolen [1].",
        "No information was leaked [1].",
    ],
)
def test_what_answers_is_no_refusal(reply: str) -> None:
    assert cited("When?", DOCUMENTS, FakeListChatModel(responses=[reply])).how == "cited"


@pytest.mark.parametrize(
    ("written", "sentences"),
    [
        ("Put the key in the .env file [1].", [("Put the key in the .env file.", [1])]),
        ("It is .5 or more [1] .", [("It is .5 or more.", [1])]),
        ("Toad stole a motor-car[1].", [("Toad stole a motor-car.", [1])]),
        ("Toad stole a motor-car[1][2]. Mole slept[2].", [("Toad stole a motor-car.", [1, 2]), ("Mole slept.", [2])]),
        ("The last one is words[9].", [("The last one is words[9].", [])]),
        ("It has words[1] and more.", [("It has words[1] and more.", [])]),
        ("Qui ? Toad [1] !", [("Qui ?", []), ("Toad!", [1])]),
    ],
)
def test_only_what_a_marker_has_left_is_tidied_up(written: str, sentences: list[tuple[str, list[int]]]) -> None:
    assert split_markers(written, 2) == sentences


def test_quoted_sentences_are_joined_only_where_nothing_stands_between_them() -> None:
    text = "Parental leave lasts sixteen weeks.\n\n```\nx = 1\n```\n\nTravel must be approved before you book it."
    answer = quote(gather("What?", [document(text, "mixed")], HashingEmbedder(dimension=256)), spread=2)
    assert [citation.text for citation in answer.citations] == [
        "Parental leave lasts sixteen weeks.",
        "Travel must be approved before you book it.",
    ]


@pytest.mark.parametrize("metadata", [{"page": [3]}, {"title": None}, {"heading": "Intro"}, {"start": None}, {}])
def test_a_document_from_anywhere_can_be_quoted(metadata: dict[str, object]) -> None:
    found = gather("Who?", [Document(page_content=TOAD, metadata=metadata)], HashingEmbedder())
    assert quote(found, passages=1).citations[0].text == TOAD


def test_what_takes_all_the_room_is_named() -> None:
    llm = FakeListChatModel(responses=["It is."], profile={"max_input_tokens": 511})
    with pytest.raises(GenerateError, match=r"the question has 5000 tokens, .* shorten the question"):
        cited("word " * 3000, [Document("a")], llm)
    with pytest.raises(GenerateError, match="an answer of up to 100000; allow a shorter answer, or a larger context"):
        cited("Who?", [Document("a")], llm, max_answer_tokens=100_000)
