"""The nodes that read and write a memory, and the preset of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import HashingEmbedder
from langchain_core.language_models import FakeListChatModel
from memories import day
from ragloom.rag.generate.types import Answer, Statement, unknown
from ragloom.rag.graph import RagGraph, RagState, Registry
from ragloom.rag.graph.testing import check_node
from ragloom.stores.memory import Episode, Memory

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


def state(question: str = "Where do I live?", **fields: object) -> RagState:
    return RagState(question=question, **fields)  # type: ignore[arg-type]


def test_the_nodes_keep_the_rules_that_graphs_rely_on(path: Path) -> None:
    answered = state(answer=Answer("Where do I live?", (Statement("In Berlin."),), (), "cited"))
    check_node(NODES["recall"], states=[state(), state("Rain?")], params={"k": 3})
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


def test_an_i_dont_know_is_not_remembered(path: Path) -> None:
    with RagGraph("memory", llm=FakeListChatModel(responses=[""])) as graph:
        assert not graph.invoke("Who am I?").answer.known
    with Memory(path) as memory:
        assert [each.content for each in memory.group("default").as_chat_history().messages][1:] == ["Who am I?"]


def test_facts_that_the_llm_finds_in_the_question_are_remembered(path: Path) -> None:
    from ragloom.rag.graph import Context

    reply = '{"facts": [{"subject": "Ann", "relation": "lives_in", "object": "Rome"}]}'
    llm = FakeListChatModel(responses=[reply])
    context = Context("keep", load_llm=lambda: llm)
    asked = state("Ann lives in Rome, you know?", answer=unknown("?", "nothing was found"))
    NODES["remember-facts"](asked, context)
    with Memory(path) as memory:
        assert [record.fact.object for record in memory.group("default").timeline("Ann")] == ["Rome"]
    assert context.notes[-1] == "1 episode, 1 fact"
