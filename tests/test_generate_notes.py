"""Chain-of-Note: what the notes carry, and that nothing is answered where they carry nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel, SimpleChatModel
from langchain_core.messages import BaseMessage
from ragloom import load
from ragloom.rag.generate import Answer, ChainOfNote, GenerateError, cited, take_notes
from ragloom.rag.generate.declining import says_nothing
from ragloom.rag.graph import Context, RagState, Registry
from ragloom.rag.graph.testing import check_node
from ragloom.rag.llm import ChatModel
from ragloom.rag.llm.errors import Cancelled
from ragloom.stores.types import Hit

QUESTION = "What was stolen?"
TOAD = Document("Toad stole a motor-car.", metadata={"source": "toad"})
MOLE = Document("Mole met Rat by the river.", metadata={"source": "mole"})
CART = Document("A cart was stolen, too.", metadata={"source": "cart"})


NOTES = {"Toad": "Toad stole a motor-car.", "Mole": "Nothing.", "A cart": "A cart was stolen."}


def noted(question: str, documents: list[Document], llm: Any, *, cancelled: Any = None, **options: Any) -> Answer:
    return ChainOfNote(llm=llm, **options).answer(question, documents, cancelled=cancelled)


class Scripted(SimpleChatModel):
    """Writes for each document the note of `NOTES`, and for the notes the answer that it is told."""

    answer: str = "A motor-car [1]. A cart [2]."

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _call(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> str:
        asked = messages[-1].text
        return next(note for word, note in NOTES.items() if word in asked) if "<document>" in asked else self.answer


@pytest.fixture
def scripted() -> Scripted:
    return Scripted()


@pytest.fixture(scope="module")
def llm() -> Iterator[ChatModel]:
    with load("embedded", n_ctx=768, batch_invariant=True) as opened:
        yield opened


def test_what_says_nothing_is_left_out_and_the_others_are_cited(scripted: Scripted) -> None:
    answer = noted(QUESTION, [TOAD, MOLE, CART], scripted)
    assert answer.how == "cited"
    cited = [[answer.citations[n - 1].source for n in statement.citations] for statement in answer.statements]
    assert cited == [["toad"], ["cart"]]
    assert answer.notes == ("by the LLM's notes 1 of 3 passages say nothing about the question",)


def test_where_no_note_says_anything_nobody_is_asked_for_an_answer(scripted: Scripted) -> None:
    answer = noted(QUESTION, [MOLE, MOLE], scripted.model_copy(update={"answer": "It was the moon."}))
    assert answer.how == "unknown"
    assert "2 of 2 passages say nothing" in answer.notes[0]


@pytest.mark.parametrize("reply", ["I don't know.", ""])
def test_notes_that_give_no_answer_make_an_honest_unknown(scripted: Scripted, reply: str) -> None:
    answer = noted(QUESTION, [TOAD], scripted.model_copy(update={"answer": reply}))
    assert (answer.how, answer.notes) == ("unknown", ("the LLM found no answer in the passages",))


@pytest.mark.parametrize(
    "note",
    [
        "Nothing.",
        "None",
        "No.",
        "The document does not mention what was stolen.",
        "The document does not provide any information about the theft.",
        "It says nothing about the question.",
        "It says nothing.",
        "Nothing is said about it.",
        "There is no information given.",
        "The text gives no information about the theft.",
        "There is no mention of a theft in the document.",
        "No information is given.",
        "The passage doesn't say who was there.",
    ],
)
def test_a_small_llm_says_in_its_own_way_that_there_is_nothing(note: str) -> None:
    assert says_nothing(note)


@pytest.mark.parametrize(
    "note",
    [
        "Toad stole a motor-car.",
        "No motor-car was stolen; it was a cart.",
        "Nothing but a motor-car was stolen.",
        "The document does not mention when, but says that a cart was stolen.",
        "The document does not mention a motor-car. It says that a cart was stolen.",
        "The document says that nothing was stolen.",
        "None of the cars was stolen.",
        "Nothing was stolen.",
        "No information was leaked in the breach.",
        "The document states no fee is charged for members.",
        "The document says no one was hurt.",
        "It gives no refunds.",
        "It does not include breakfast.",
        "There is no answer key for the exam.",
    ],
)
def test_a_note_that_says_something_stays(note: str) -> None:
    assert not says_nothing(note)


def test_title_and_headings_are_read_before_the_text() -> None:
    document = Document("It was stolen.", metadata={"title": "Wind", "heading": ["Toad", "Motor-car"]})
    seen: list[str] = []

    class Reading(SimpleChatModel):
        _llm_type = "reading"

        def _call(self, messages: list[BaseMessage], *_: Any, **__: Any) -> str:
            seen.append(messages[-1].text)
            return "Nothing."

    take_notes(QUESTION, [document], Reading())
    assert "Wind > Toad > Motor-car\nIt was stolen." in seen[0]


def test_without_documents_nothing_is_asked() -> None:
    assert noted(QUESTION, [], FakeListChatModel(responses=[])).how == "unknown"
    assert take_notes(QUESTION, [], FakeListChatModel(responses=[])) == []


def test_an_llm_that_returns_nothing_notes_nothing() -> None:
    assert noted(QUESTION, [TOAD, CART], FakeListChatModel(responses=[""])).how == "unknown"


def test_an_empty_question_is_refused() -> None:
    with pytest.raises(GenerateError, match="the question is empty"):
        noted(" ", [TOAD], FakeListChatModel(responses=["x"]))


def test_notes_that_do_not_fit_are_left_out_and_that_is_told(scripted: Scripted) -> None:
    answer = noted(QUESTION, [TOAD, CART], scripted, max_prompt_tokens=12)
    assert answer.notes == ("1 of 2 notes did not fit",)
    assert [citation.source for citation in answer.citations] == ["toad"]


def test_the_end_of_waiting_ends_the_notes(scripted: Scripted) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(Cancelled):
        noted(QUESTION, [TOAD], scripted, cancelled=cancelled)


@pytest.mark.model
def test_the_embedded_model_notes_what_the_document_says(llm: ChatModel) -> None:
    toad, _ = take_notes("What did Toad steal?", [TOAD, MOLE], llm)
    assert "motor-car" in toad.text
    assert toad.usage["output_tokens"] > 0
    assert not toad.is_cut


@pytest.mark.model
def test_a_document_longer_than_the_context_is_cut_and_that_is_told() -> None:
    long = Document("Toad stole a motor-car. " * 400)
    with load("embedded", n_ctx=384) as small:
        answer = noted("What did Toad steal?", [long, MOLE], small)
    assert answer.notes[0] == "1 of 2 passages cut to what the context holds"


@pytest.mark.model
def test_the_node_keeps_the_rules_of_graphs(llm: ChatModel) -> None:
    state = RagState(question=QUESTION, documents=[Hit(TOAD, 1.0, 1), Hit(MOLE, 0.5, 2)])
    kind = Registry.installed().nodes["notes"]
    check_node(kind, states=[state, RagState(question="?")], params={"max_note_tokens": 12}, llm=llm)
    context = Context("draft", load_llm=lambda: llm)
    assert kind(state, context)["answer"].question == QUESTION


def test_nothing_is_asked_of_documents_without_text() -> None:
    llm = FakeListChatModel(responses=["The document says that it is so."])
    assert [note.text for note in take_notes("Who?", [Document(""), Document(" \n")], llm)] == ["", ""]
    assert not cited("Who?", [Document(" ")], llm).known
    assert llm.i == 0
