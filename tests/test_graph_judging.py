"""The node `main-rag` and the presets with agents: what the state and the trace tell of the documents that went."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from cats import CATS
from chat_server import serving, top
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from ragloom import Corpus, load
from ragloom.agents import MainRagFilter
from ragloom.rag.graph import Context, GraphError, RagGraph, RagState, Registry, SpecError, Token, check
from ragloom.rag.graph.testing import check_node
from ragloom.rag.llm import ChatModel
from ragloom.stores.types import Hit

QUESTION = "What does the cat do all day?"
TEXTS = ["Rain is wet.", "Trains run late.", "The cat sleeps all day.", "Bread is baked at night."]
DOCUMENTS = [Document(text, id=f"d{at}") for at, text in enumerate(TEXTS)]
STATE = RagState(question=QUESTION, documents=[Hit(each, 1 / at, at) for at, each in enumerate(DOCUMENTS, start=1)])
NODE = Registry.installed().nodes["main-rag"]


@pytest.fixture(scope="module")
def llm() -> Iterator[ChatModel]:
    with load("embedded", n_ctx=1536, batch_invariant=True) as loaded:  # so that equal prompts have equal scores
        yield loaded


@pytest.fixture
def full(corpus: Corpus) -> Corpus:
    corpus.add(TEXTS)
    return corpus


@pytest.mark.model
def test_the_node_keeps_what_the_filter_keeps_and_tells_of_all(llm: ChatModel) -> None:
    context = Context("filter", load_llm=lambda: llm)
    update = NODE(STATE, context, n=0.5, max_prediction_tokens=8)
    filtered = MainRagFilter(llm=llm, n=0.5, max_tokens=8).filter(QUESTION, DOCUMENTS)
    assert [hit.document.id for hit in update["documents"]] == [each.document.id for each in filtered.kept]
    assert [hit.rank for hit in update["documents"]] == list(range(1, len(filtered.kept) + 1))
    verdicts = update["verdicts"]
    assert sorted(each.document_id for each in verdicts) == ["d0", "d1", "d2", "d3"]
    assert [each.kept for each in verdicts] == [True] * len(filtered.kept) + [False] * len(filtered.dropped)
    assert all("the threshold of" in each.reason for each in verdicts)
    assert any(note.startswith(f"4 -> {len(filtered.kept)}; threshold ") for note in context.notes)


@pytest.mark.model
def test_the_rules_of_graphs_are_kept(llm: ChatModel) -> None:
    params = {"judge": "continuation", "max_prediction_tokens": 4}
    two = STATE.model_copy(update={"documents": STATE.documents[1:3]})
    check_node(NODE, states=[two, RagState(question="?")], params=params, llm=llm)


def test_without_documents_nothing_is_loaded() -> None:
    assert NODE(RagState(question=QUESTION), Context("filter")) == {"documents": [], "verdicts": []}


def test_a_judge_that_tells_no_probabilities_is_refused_when_the_graph_is_checked() -> None:
    spec = {"nodes": {"find": "prowl", "filter": "main-rag"}, "flow": ["start -> find -> filter -> end"]}
    with pytest.raises(
        SpecError, match=r"needs the LLM's logprobs, which FakeListChatModel does not give; .*or a server"
    ):
        RagGraph(spec, registry=CATS, llm=FakeListChatModel(responses=[""]))
    context = Context("filter", load_llm=lambda: FakeListChatModel(responses=[""]))
    with pytest.raises(GraphError, match="looks into its LLM, which FakeListChatModel does not allow"):
        NODE(STATE, context)


def test_any_server_passes_the_check_and_judges_by_its_logprobs() -> None:
    with serving() as server:
        server.logprobs = top(("Yes", -0.5), ("No", -1.0))
        nodes = {"find": "prowl", "filter": {"use": "main-rag", "llm": server.url}}
        assert check({"nodes": nodes, "flow": ["start -> find -> filter -> end"]}, registry=CATS) == []
        update = NODE(STATE, Context("filter", load_llm=lambda: load(server.url)))
    assert len(update["documents"]) == 4
    assert {round(each.score, 3) for each in update["verdicts"]} == {0.5}


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"n": -1}, "nodes.filter.n: should be greater than or equal to 0, not -1"),
        ({"min_keep": 0}, "nodes.filter.min_keep: should be greater than or equal to 1, not 0"),
        ({"judge": "both"}, "nodes.filter.judge: should be 'separate' or 'continuation', not 'both'"),
    ],
)
def test_options_are_checked_with_the_graph(params: dict[str, object], problem: str) -> None:
    nodes = {"find": "dense", "filter": {"use": "main-rag", **params}}
    found = check({"nodes": nodes, "flow": ["start -> find -> filter -> end"]})
    assert [str(each) for each in found] == [problem]


def test_where_nothing_was_judged_the_best_verdict_is_below_every_bound() -> None:
    with serving() as server:
        server.logprobs = top(("Yes", -3.0), ("No", -0.5))
        context = Context("filter", load_llm=lambda: load(server.url))
        states = [RagState(question=QUESTION, documents=[Hit(Document(text), 1.0, 1)]) for text in ("", "Rain.")]
        judged = [RagState(question=QUESTION, verdicts=NODE(state, context)["verdicts"]) for state in states]
    best = Registry.installed().predicates["best_verdict"]
    assert [best(state) for state in judged] == [-math.inf, -2.5]
    assert [RagState.model_validate_json(state.model_dump_json()) for state in judged] == judged


@pytest.mark.model
def test_a_decision_may_ask_for_the_best_verdict_and_predictions_are_not_streamed(llm: ChatModel, full: Corpus) -> None:
    spec = {
        "nodes": {"find": {"use": "lexical", "k": 4}, "filter": "main-rag", "weigh": "gather", "quote": "quote"},
        "flow": [
            "start -> find -> filter",
            {"from": "filter", "when": "best_verdict < -99", "then": "end", "else": "weigh"},
            "weigh -> quote -> end",
        ],
    }
    with RagGraph(spec, corpus=full, llm=llm) as graph:
        *events, state = graph.stream(QUESTION)
    assert isinstance(state, RagState)
    assert [event for event in events if isinstance(event, Token)] == []
    judged = next(trace for trace in state.trace if trace.node == "filter")
    assert "best_verdict" in judged.detail
    assert judged.tokens_out > 0


@pytest.mark.model
def test_the_preset_main_rag_answers_from_what_the_judge_keeps(llm: ChatModel, full: Corpus) -> None:
    with RagGraph("main-rag", corpus=full, llm=llm) as graph:
        state = graph.invoke(QUESTION)
        assert graph.draw().startswith("flowchart TD")
    assert state.answer is not None
    kept = {verdict.document_id for verdict in state.verdicts if verdict.kept}
    assert len(kept) >= 3
    assert len(state.verdicts) == len(state.candidates["retrieve"]) == 4
    assert state.evidence is not None
    assert {document.id for document in state.evidence.documents} == kept


@pytest.mark.model
def test_the_preset_notes_answers_from_notes(llm: ChatModel, full: Corpus) -> None:
    with RagGraph("notes", corpus=full, llm=llm) as graph:
        state = graph.invoke(QUESTION)
        assert graph.draw().startswith("flowchart TD")
    assert state.answer is not None
    assert state.answer.known
    assert "cat sleeps all day" in state.answer.text
    assert [trace.node for trace in state.trace] == ["retrieve", "evidence", "quote", "draft", "ground"]
