"""Every graph that comes with ragloom is right, can be drawn, and answers with the embedded models."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ragloom import Corpus, RagGraph, RagState, load
from ragloom.rag.graph import Turn, check, presets
from ragloom.rag.llm import ChatModel

TEXTS = [
    "Parents get sixteen weeks of leave.",
    "Travel is approved by the head of the department.",
    "A lost laptop is reported to the security team within an hour.",
]
OVER_A_CORPUS = [name for name in presets() if name != "memory"]  # which test_memory_nodes runs
FLOW = ["start -> imagine -> end"]
QUESTION = "How many weeks of leave do parents get?"

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def llm() -> Iterator[ChatModel]:
    with load("embedded", n_ctx=2048) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def handbook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corpus]:
    with Corpus(tmp_path_factory.mktemp("handbook")) as corpus:
        corpus.add(TEXTS)
        yield corpus


def ran(preset: str, corpus: Corpus, llm: ChatModel, question: str, *history: Turn) -> RagState:
    with RagGraph(preset, corpus=corpus, llm=llm if preset != "quick" else None) as graph:
        return graph.invoke({"question": question, "history": list(history)})


@pytest.mark.parametrize("preset", OVER_A_CORPUS)
def test_it_is_right_drawn_and_answers_from_the_documents(preset: str, handbook: Corpus, llm: ChatModel) -> None:
    assert check(preset) == []
    with RagGraph(preset, corpus=handbook, llm=llm if preset != "quick" else None) as graph:
        assert graph.draw("svg").startswith("<svg")
        assert "flowchart" in graph.draw("mermaid")
    state = ran(preset, handbook, llm, QUESTION)
    assert state.answer is not None
    assert "sixteen weeks" in state.answer.text
    assert {citation.text for citation in state.citations} <= set(TEXTS)


@pytest.mark.parametrize("preset", OVER_A_CORPUS)
def test_it_does_not_know_what_nothing_says(preset: str, handbook: Corpus, llm: ChatModel) -> None:
    state = ran(preset, handbook, llm, "Which colour has the planet Neptune?")
    assert state.answer is not None
    assert not state.answer.known


@pytest.mark.parametrize("preset", OVER_A_CORPUS)
def test_it_knows_nothing_from_an_empty_corpus(preset: str, corpus: Corpus, llm: ChatModel) -> None:
    state = ran(preset, corpus, llm, QUESTION)
    assert state.answer is not None
    assert not state.answer.known


def test_the_trace_tells_what_imagining_cost(handbook: Corpus, llm: ChatModel) -> None:
    with RagGraph(
        {"nodes": {"imagine": {"use": "hyde", "n": 3, "max_tokens": 8}}, "flow": FLOW}, corpus=handbook, llm=llm
    ) as graph:
        (step,) = graph.invoke(QUESTION).trace
    assert step.detail.split("; ")[-1] == "3 passages imagined"
    assert 8 < step.tokens_out <= 24
    assert step.tokens_in > step.tokens_reused > 0


def test_past_the_deadline_the_question_alone_is_searched_for_and_the_trace_says_so(
    handbook: Corpus, llm: ChatModel
) -> None:
    imagine = {"use": "hyde", "deadline": 0.2, "max_tokens": 900, "temperature": 3.0}
    graph = {"nodes": {"imagine": imagine, "find": "dense"}, "flow": ["start -> imagine -> find -> end"]}
    with RagGraph(graph, corpus=handbook, llm=llm) as opened:
        state = opened.invoke(QUESTION)
    told = "the LLM failed (the model needed longer than the timeout of 0.2 s): the query alone"
    assert state.trace[0].detail.endswith(told)
    plain = handbook.search(QUESTION, mode="dense")
    assert [hit.document for hit in state.documents] == [hit.document for hit in plain]


def test_chat_understands_a_question_by_what_was_said(handbook: Corpus, llm: ChatModel) -> None:
    talk = [Turn("user", QUESTION), Turn("assistant", "Parents get sixteen weeks of leave. [1]")]
    state = ran("chat", handbook, llm, "And who approves travel?", *talk)
    assert state.answer is not None
    assert "head of the department" in state.answer.text
