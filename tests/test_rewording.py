"""Questions that an LLM rewrites, divides or adds to: what it writes is taken only if it is about the question."""

from __future__ import annotations

from typing import Any

import chat_server
import pytest
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.runnables import RunnableLambda
from ragloom.rag.generate import IterRetGen
from ragloom.rag.generate.iterating import draft_of, is_settled
from ragloom.rag.generate.types import unknown
from ragloom.rag.llm import load
from ragloom.rag.retrieve import Decomposer, Rewriter, RewritingError
from ragloom.rag.retrieve.decomposing import schema
from ragloom.rag.retrieve.wording import is_about, says_the_same

TALK = [("user", "How long is parental leave?"), ("assistant", "Parental leave is sixteen weeks.")]
QUESTION = "Who approves it?"


def never(*_: Any) -> FakeListChatModel:
    """An LLM that must not be asked: it has no reply."""
    return FakeListChatModel(responses=[])


def rewritten(reply: str, question: str = QUESTION, history: Any = TALK, **options: Any) -> Any:
    llm = FakeListChatModel(responses=[reply])
    return Rewriter(llm=llm, **options).invoke({"question": question, "history": history})


def test_without_a_conversation_the_llm_is_not_asked() -> None:
    rewriter = Rewriter(llm=never())
    for history in ([], None, [("assistant", " ")]):
        assert rewriter.invoke({"question": QUESTION, "history": history}).query == QUESTION


def test_what_the_llm_makes_of_the_question_is_searched_for() -> None:
    better = "Who approves parental leave?"
    for reply in (better, f' "{better}"\n\nExplanation: ...', f"\n{better}\n", f'Rewritten: "{better}"'):
        assert rewritten(reply).query == better


@pytest.mark.parametrize(
    ("reply", "note"),
    [
        ("", "the LLM wrote nothing: the question as it is"),
        (" \n ", "the LLM wrote nothing: the question as it is"),
        ("Parental leave is sixteen weeks.", "the LLM wrote something else (Parental leave is sixteen weeks.)"),
        ("I approve of sunny days on golden beaches.", "the LLM wrote something else"),
        ("?!", "the LLM wrote something else"),
    ],
)
def test_nothing_or_something_else_leaves_the_question_as_it_is(reply: str, note: str) -> None:
    found = rewritten(reply)
    assert found.query == QUESTION
    assert found.notes[0].startswith(note)


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        ("Who pays for parental leave in Germany?", "Who approves parental leave?"),
        ("Who approves it?", "The team lead approves it."),
        ("And who approves travel?", "Who approves parental leave?"),
    ],
)
def test_a_rewriting_that_loses_what_was_asked_or_answers_it_is_not_taken(question: str, reply: str) -> None:
    talk = [*TALK, ("user", "Who approves it?"), ("assistant", "The team lead approves it.")]
    found = rewritten(reply, question, talk)
    assert found.query == question
    assert found.notes == (f"the LLM left out what was asked ({reply}): the question as it is",)


@pytest.mark.parametrize(
    ("question", "reply", "language"),
    [
        ("Who repairs them?", "Who repairs laptops?", "en"),
        ("What is its length?", "What is the length of the Rhine?", "en"),
        ("Who wants those?", "Who wants laptops?", "en"),
        ("Who works here?", "Who works on the Rhine?", "en"),
        ("Kto to naprawia?", "Kto naprawia laptopy?", "other"),
        ("Onu kim onarır?", "Dizüstü bilgisayarı kim onarır?", "tr"),
    ],
)
def test_what_a_pronoun_stands_for_takes_its_place(question: str, reply: str, language: str) -> None:
    talk = [("user", "Laptops laptopy dizüstü bilgisayarı on the Rhine?"), ("assistant", "Work.")]
    assert rewritten(reply, question, talk, language=language).query == reply


class Failing(FakeListChatModel):
    def _call(self, *args: Any, **kwargs: Any) -> str:
        raise ConnectionError("the cable is cut")


def test_an_llm_that_fails_leaves_the_question_as_it_is() -> None:
    found = Rewriter(llm=Failing(responses=[""])).invoke({"question": QUESTION, "history": TALK})
    assert (found.query, found.notes) == (QUESTION, ("the LLM failed (the cable is cut): the question as it is",))


class Reading(FakeListChatModel):
    """Keeps what it was shown."""

    seen: list[str] = []  # noqa: RUF012 - pydantic copies it

    def _call(self, messages: Any, *args: Any, **kwargs: Any) -> str:
        self.seen.append(messages[-1].text)
        return super()._call(messages, *args, **kwargs)


def test_the_llm_reads_the_last_messages_and_of_long_ones_the_beginning() -> None:
    llm = Reading(responses=["Who approves it?"])
    history = [HumanMessage(f"Question {n}") for n in range(9)] + [AIMessage("Leave " * 100)]
    Rewriter(llm=llm, messages=2, max_characters=20).invoke({"question": QUESTION, "history": history})
    assert llm.seen == [
        "Conversation:\nUser: Question 8\nAssistant: Leave Leave Leave …\nLast question: Who approves it?\nRewritten:"
    ]


def test_what_a_system_or_a_tool_said_is_not_read() -> None:
    llm = Reading(responses=["Who approves it?"])
    told = [SystemMessage("You are a pirate."), *(ToolMessage("{}", tool_call_id="1") for _ in range(6))]
    Rewriter(llm=llm).invoke({"question": QUESTION, "history": [HumanMessage("Leave?"), *told]})
    assert llm.seen == ["Conversation:\nUser: Leave?\nLast question: Who approves it?\nRewritten:"]


def test_of_a_long_message_without_blanks_the_beginning_is_read() -> None:
    llm = Reading(responses=["Who approves it?"])
    Rewriter(llm=llm, max_characters=10).invoke(
        {"question": QUESTION, "history": [AIMessage("産休は十六週間です。" * 9)]}
    )
    assert "Assistant: 産休は十六週間で …\n" in llm.seen[0]


def test_an_empty_question_is_refused() -> None:
    with pytest.raises(RewritingError, match="the question is empty; ask something"):
        Rewriter(llm=never()).invoke({"question": " ", "history": TALK})
    with pytest.raises(RewritingError, match="the question is empty; ask something"):
        Decomposer(llm=never()).invoke("")


def test_a_question_of_stop_words_can_be_rewritten_from_the_conversation_alone() -> None:
    assert is_about("How long is parental leave?", "How?", "Parental leave is long.")
    assert not is_about("Who is he?", "Who?", "Toad")
    assert not is_about("Wie lange?", "", "")


def test_texts_say_the_same_whatever_their_capitals_and_marks() -> None:
    assert says_the_same("Who is TOAD?", "who is toad")
    assert not says_the_same("When was Toad born?", "Where was Toad born?")
    assert not says_the_same("Is A before B?", "Is B before A?")


WHOLE = "Is the Danube longer than the Rhine?"


def divided(reply: str, **options: Any) -> Any:
    return Decomposer(llm=FakeListChatModel(responses=[reply]), **options).invoke(WHOLE)


def test_a_question_is_divided() -> None:
    found = divided('{"questions": ["How long is the Danube?", "How long is the Rhine?"]}')
    assert found.questions == ("How long is the Danube?", "How long is the Rhine?")
    assert found.notes == ("2 questions",)


def test_the_question_itself_repetitions_and_other_subjects_are_left_out() -> None:
    reply = (
        '{"questions": ["is the danube longer than the rhine", "How long is the Danube?", "How long is the Danube",'
        ' "", "Which cheese is best?"]}'
    )
    found = divided(reply)
    assert found.questions == ("How long is the Danube?",)
    assert found.notes == (
        "1 question",
        "left out, for it was asked already: is the danube longer than the rhine",
        "left out, for it was asked already: How long is the Danube",
        "left out, for it is about something else: Which cheese is best?",
    )


def test_there_are_at_most_so_many() -> None:
    reply = '{"questions": ["How long is the Danube?", "How long is the Rhine?", "Where is the Rhine?"]}'
    found = divided(reply, most=2)
    assert len(found.questions) == 2
    assert found.notes == ("2 questions", "left out, for there are 2 already: Where is the Rhine?")


@pytest.mark.parametrize(
    ("reply", "note"),
    [
        ("", "the LLM's answer cannot be read"),
        ("The Danube.", "the LLM's answer cannot be read: Invalid json output: The Danube."),
        ('["How long is the Danube?"]', "the LLM's answer cannot be read"),
        ('{"questions": "How long?"}', "the LLM's answer cannot be read"),
        ('{"questions": []}', "the question is not divided"),
        ('{"questions": ["Is the Danube longer than the Rhine?"]}', "the question is not divided"),
    ],
)
def test_an_answer_that_divides_nothing_is_told(reply: str, note: str) -> None:
    found = divided(reply)
    assert found.questions == ()
    assert found.notes[0].startswith(note)


def test_an_answer_that_a_server_cuts_off_divides_nothing_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    message = {"role": "assistant", "content": '{"questions": ["How long is'}
    cut = {**chat_server.WHOLE, **chat_server.choice(message=message, finish_reason="length")}
    monkeypatch.setattr(chat_server, "WHOLE", cut)
    with chat_server.serving() as server:
        found = Decomposer(llm=load(server.url)).invoke(WHOLE)
    assert found.questions == ()
    assert found.notes[0].startswith("the LLM's answer cannot be read: ")
    assert "cut the answer off" in found.notes[0]


DOCUMENTS = {"steals": "Toad steals a motor-car.", "pond": "The motor-car ends in a pond."}


def retriever(seen: list[str]) -> RunnableLambda[str, list[Document]]:
    """Finds the documents that have a word of the query."""

    def find(query: str) -> list[Document]:
        seen.append(query)
        return [Document(text) for word, text in DOCUMENTS.items() if word in query]

    return RunnableLambda(find)


def test_each_round_searches_with_the_last_answer_until_it_says_the_same() -> None:
    seen: list[str] = []
    replies = ["A motor-car, in a pond. [1]", "It is in the pond. [2]", "It is in the pond! [1]", "Never asked."]
    llm = FakeListChatModel(responses=replies)
    answer = IterRetGen(llm=llm, retriever=retriever(seen), rounds=9).invoke("What steals Toad?")
    assert seen == [
        "What steals Toad?",
        "What steals Toad? A motor-car, in a pond.",
        "What steals Toad? It is in the pond.",
    ]
    assert answer.text == "It is in the pond! [1]"


def test_there_are_at_most_so_many_rounds() -> None:
    seen: list[str] = []
    llm = FakeListChatModel(responses=[f"Answer {n}, in a pond." for n in range(9)])
    answer = IterRetGen(llm=llm, retriever=retriever(seen), rounds=3).invoke("Who steals?")
    assert len(seen) == 3
    assert answer.text == "Answer 2, in a pond."


@pytest.mark.parametrize("reply", ["", "I don't know."])
def test_an_llm_that_answers_nothing_is_asked_once(reply: str) -> None:
    seen: list[str] = []
    answer = IterRetGen(llm=FakeListChatModel(responses=[reply]), retriever=retriever(seen)).invoke("Who steals?")
    assert (len(seen), answer.known) == (1, False)


def test_of_a_long_answer_the_beginning_is_searched_for() -> None:
    seen: list[str] = []
    llm = FakeListChatModel(responses=["In the pond lies a motor-car " * 90 + ".", "In the pond."])
    IterRetGen(llm=llm, retriever=retriever(seen), rounds=2).invoke("Who steals?")
    assert seen[1].startswith("Who steals? In the pond lies")
    assert len(seen[1].split()) < 120


def test_a_long_question_leaves_less_room_for_the_answer() -> None:
    seen: list[str] = []
    llm = FakeListChatModel(responses=["In the pond lies a motor-car " * 90 + ".", "In the pond."])
    question = "Toad " * 40 + "steals?"
    IterRetGen(llm=llm, retriever=retriever(seen), rounds=2).invoke(question)
    assert seen[1].startswith(f"{question} In the pond")
    assert len(seen[1].split()) < 120


def test_the_tokens_of_all_rounds_are_told() -> None:
    usage = UsageMetadata(input_tokens=100, output_tokens=10, total_tokens=110)
    replies = [AIMessage(f"Answer {n}, in a pond. [1]", usage_metadata=usage) for n in range(3)]
    llm = GenericFakeChatModel(messages=iter(replies))
    answer = IterRetGen(llm=llm, retriever=retriever([]), rounds=3).invoke("Who steals?")
    assert answer.usage == {"documents": 2, "input_tokens": 300, "output_tokens": 30}


def test_an_answer_stands_though_a_later_round_has_none() -> None:
    llm = FakeListChatModel(responses=["Toad, in the pond. [1]", "I don't know."])
    assert IterRetGen(llm=llm, retriever=retriever([])).invoke("Who steals?").known


def test_where_nothing_is_found_no_llm_is_asked() -> None:
    answer = IterRetGen(llm=never(), retriever=retriever([])).invoke("Who sleeps?")
    assert answer.notes == ("no passages were found",)


def test_a_draft_is_the_answer_s_words() -> None:
    assert draft_of(None) == draft_of(unknown("Who?", "nothing was found")) == ""
    assert is_settled([])
    assert is_settled(["a", "A."])
    assert is_settled(["a", ""])
    assert not is_settled(["a"])


@pytest.mark.model
def test_the_embedded_model_keeps_to_the_form() -> None:
    with load("embedded", n_ctx=1024) as llm:
        found = Decomposer(llm=llm, most=2).invoke(WHOLE)
        again = Rewriter(llm=llm).invoke({"question": QUESTION, "history": TALK})
    assert len(found.questions) <= 2
    assert "cannot be read" not in found.notes[0]
    assert all(is_about(question, WHOLE) for question in found.questions)
    assert again.query == QUESTION or is_about(again.query, QUESTION, "parental leave sixteen weeks")
    assert schema(2)["properties"]["questions"]["maxItems"] == 2
