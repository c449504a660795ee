"""The nodes that read and write a memory, and the preset of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import HashingEmbedder
from langchain_core.language_models import FakeListChatModel
from memories import day
from ragloom.rag.generate.types import Answer, Statement, unknown
from ragloom.rag.graph import Context, RagGraph, RagState, Registry
from ragloom.rag.graph.testing import check_node
from ragloom.stores.memory import Episode, Fact, Memory

NODES = Registry.installed().nodes
TOLD = Episode("I live in Berlin.", day(2024, 3), "user")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A memory in the folder that the test runs in, under the name that nodes expect; its embedder is scripted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ragloom.stores.memory.vectors.as_embedder", lambda _given: HashingEmbedder())
    file = tmp_path / "ragloom-memory.sqlite3"
    with Memory(file) as memory:
        memory.group("default").remember(TOLD)
        yield file


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A memory of what Ann told, with the embedder that comes with ragloom."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "ragloom-memory.sqlite3"
    with Memory(file) as memory:
        group = memory.group("default")
        moved = Episode("I moved to Berlin.", day(2024, 6, 3), "Ann")
        group.remember_facts([Fact("Ann", "lives_in", "Berlin", valid_from=day(2024, 6, 3))], episode=moved)
        for text in ("My sister Zoe plays the violin.", "I work for Acme, as a baker."):
            group.remember(Episode(text, day(2024, 6, 4), "Ann"))
    return file


def state(question: str = "Where do I live?", **fields: object) -> RagState:
    return RagState(question=question, **fields)  # type: ignore[arg-type]


def test_the_nodes_keep_the_rules_that_graphs_rely_on(path: Path) -> None:
    answered = state(answer=Answer("Where do I live?", (Statement("In Berlin."),), (), "cited"))
    check_node(NODES["recall"], states=[state(), state("Rain?")], params={"k": 3})
    recalled = NODES["recall"](state(), Context("recall"))
    check_node(NODES["gather-memory"], states=[state(documents=recalled["documents"])])
    check_node(NODES["remember"], states=[answered], params={"group": "others"})
    llm = FakeListChatModel(responses=['{"facts": []}'])
    check_node(NODES["remember-facts"], states=[answered], params={"group": "others"}, llm=llm)


def test_what_was_said_is_recalled_by_the_preset_and_the_answer_is_remembered(path: Path) -> None:
    llm = FakeListChatModel(responses=["You live in Berlin. [1]"])
    with RagGraph("memory", llm=llm) as graph:
        answered = graph.invoke("Where do I live?")
    assert [document.page_content for document in answered.memory] == [TOLD.content]
    assert [citation.text for citation in answered.citations] == [TOLD.content]
    with Memory(path) as memory:
        said = memory.group("default").as_chat_history().messages
    assert [(message.type, message.content) for message in said] == [
        ("human", "I live in Berlin."),
        ("human", "Where do I live?"),
        ("ai", "You live in Berlin."),
    ]


def test_the_preset_quotes_who_told_what_and_drops_what_nobody_told(real: Path) -> None:
    llm = FakeListChatModel(responses=["Your sister plays the violin. [1] She is in an orchestra in Vienna. [1]"])
    with RagGraph("memory", llm=llm) as graph:
        answer = graph.invoke("Which instrument does my sister play?").answer
    assert [statement.text for statement in answer.statements] == ["Your sister plays the violin."]
    assert [(place.text, place.source) for place in answer.citations] == [
        ("My sister Zoe plays the violin.", "Ann, 2024-06-04")
    ]


def test_a_fact_is_cited_to_whom_it_rests_on(real: Path) -> None:
    with RagGraph("memory", llm=FakeListChatModel(responses=["The moon is made of cheese. [1]"])) as graph:
        answer = graph.invoke("Where does Ann live?").answer
    assert (answer.how, answer.citations[0].source) == ("quoted", "Ann, 2024-06-03")
    assert answer.citations[0].text == "Ann lives in Berlin (2024-06-03 to present)"


def test_what_nobody_said_is_not_known_and_the_question_is_remembered(real: Path) -> None:
    with RagGraph("memory", llm=FakeListChatModel(responses=["Your favourite colour is the violin."])) as graph:
        for _ in range(3):  # its own question must not become what it answers from
            assert not graph.invoke("What is my favourite colour?").answer.known
    with Memory(real) as memory:
        said = [message.content for message in memory.group("default").as_chat_history().messages]
    assert said[-1] == "What is my favourite colour?"


@pytest.mark.parametrize("asked", ["what is my favourite colour", "I want to know my favourite colour.", "tell me it"])
def test_a_question_without_its_mark_is_no_answer_either(real: Path, asked: str) -> None:
    with RagGraph("memory", llm=FakeListChatModel(responses=["I don't know."])) as graph:
        for _ in range(2):
            assert asked not in [document.page_content for document in graph.invoke(asked).memory]


def test_what_the_assistant_said_is_no_source_of_its_next_answer(real: Path) -> None:
    with Memory(real) as memory:
        memory.group("default").remember(Episode("Your favourite colour is red.", day(2024, 6, 5), "assistant"))
    with RagGraph("memory", llm=FakeListChatModel(responses=["It is red. [1]"])) as graph:
        asked = graph.invoke("What is my favourite colour?")
    assert "Your favourite colour is red." not in [document.page_content for document in asked.memory]
    assert not asked.answer.known


def test_an_i_dont_know_is_not_remembered(path: Path) -> None:
    with RagGraph("memory", llm=FakeListChatModel(responses=[""])) as graph:
        assert not graph.invoke("Who am I?").answer.known
    with Memory(path) as memory:
        assert [each.content for each in memory.group("default").as_chat_history().messages][1:] == ["Who am I?"]


def test_facts_that_the_llm_finds_in_the_question_are_remembered(path: Path) -> None:
    reply = '{"facts": [{"subject": "Ann", "relation": "lives_in", "object": "Rome"}]}'
    llm = FakeListChatModel(responses=[reply])
    context = Context("keep", load_llm=lambda: llm)
    asked = state("Ann lives in Rome, you know?", answer=unknown("?", "nothing was found"))
    NODES["remember-facts"](asked, context)
    with Memory(path) as memory:
        assert [record.fact.object for record in memory.group("default").timeline("Ann")] == ["Rome"]
    assert context.notes[-1] == "1 episode, 1 fact"
