"""Nodes that change what is searched for: the vector goes to the dense side alone, and each loop and branch joins."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from engines import idle
from fakes import HashingEmbedder
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from ragloom import Corpus, RagGraph, RagState
from ragloom.rag.graph import Context, NodeError, NodeStarted, Registry, Turn, check, node
from ragloom.rag.graph.testing import check_node
from ragloom.rag.llm import ChatLocal
from ragloom.rag.retrieve import Hyde, Rocchio
from ragloom.rag.retrieve.feedback import ALPHA, BETA
from ragloom.stores.types import Hit

TEXTS = [
    "Toad steals a motor-car and is sent to prison.",
    "The motor-car is found in a pond.",
    "Mole meets Rat at the river.",
    "Badger sleeps all winter in the Wild Wood.",
]
QUESTION = "Who steals a motor-car?"
PASSAGE = "Badger sleeps in winter."
NODES = Registry.installed().nodes


class Failing(FakeListChatModel):
    def _call(self, *args: Any, **kwargs: Any) -> str:
        raise ConnectionError("the cable is cut")


@pytest.fixture
def full(corpus: Corpus) -> Corpus:
    corpus.add(TEXTS)
    return corpus


def run(
    nodes: Mapping[str, Any],
    flow: list[Any],
    corpus: Corpus,
    *replies: str,
    llm: BaseChatModel | None = None,
    history: list[Turn] | None = None,
    types: Any = (),
) -> RagState:
    llm = llm or FakeListChatModel(responses=list(replies) or ["Never asked."])
    with RagGraph({"nodes": nodes, "flow": flow}, corpus=corpus, llm=llm, types=types) as graph:
        state = graph.invoke({"question": QUESTION, "history": history or []})
    assert RagState.model_validate_json(state.model_dump_json()) == state
    return state


IMAGINING = {
    "imagine": {"use": "hyde", "n": 1},
    "dense": {"use": "dense", "k": 2},
    "lexical": {"use": "lexical", "k": 2},
}
IMAGINED = ["start -> imagine -> [dense, lexical] -> fuse -> end"]


def test_the_dense_side_has_the_vector_and_the_lexical_side_the_question(full: Corpus) -> None:
    state = run({**IMAGINING, "fuse": "rrf"}, IMAGINED, full, PASSAGE)
    vector = Hyde(llm=FakeListChatModel(responses=[PASSAGE]), embedder=full.embedder, n=1).invoke(QUESTION)
    assert state.vector == vector
    assert state.candidates["dense"] == full.search(vector=vector.values, k=2)
    assert state.candidates["lexical"] == full.search(QUESTION, k=2, mode="lexical")
    by_name = {step.node: step.detail for step in state.trace}
    assert by_name["imagine"] == "1 passage imagined"
    assert by_name["dense"].endswith("by the vector of the query and 1 text")
    assert "vector" not in by_name["lexical"]


def test_hybrid_search_has_both(full: Corpus) -> None:
    nodes = {"imagine": IMAGINING["imagine"], "find": {"use": "hybrid", "k": 3}}
    state = run(nodes, ["start -> imagine -> find -> end"], full, PASSAGE)
    assert state.vector is not None
    assert state.documents == full.search(QUESTION, vector=state.vector.values, k=3)
    assert state.documents != full.search(QUESTION, k=3)


@pytest.mark.parametrize(
    ("llm", "why"), [(Failing(responses=[""]), "the LLM failed (the cable is cut)"), (None, "the LLM wrote nothing")]
)
def test_an_llm_that_fails_or_writes_nothing_leaves_the_plain_search(full: Corpus, llm: Any, why: str) -> None:
    nodes = {"imagine": IMAGINING["imagine"], "find": {"use": "hybrid", "k": 3}}
    state = run(nodes, ["start -> imagine -> find -> end"], full, "", llm=llm)
    assert [hit.document for hit in state.documents] == [hit.document for hit in full.search(QUESTION, k=3)]
    assert state.trace[0].detail == f"{why}: the query alone"


@node("reword", writes={"query"})
def reword(state: RagState, context: Context) -> dict[str, str]:
    """Search for something else."""
    return {"query": "Who sleeps all winter?"}


def test_a_vector_of_another_query_is_not_used(full: Corpus) -> None:
    nodes = {"imagine": {"use": "hyde", "n": 1}, "reword": "reword", "find": {"use": "dense", "k": 2}}
    state = run(nodes, ["start -> imagine -> reword -> find -> end"], full, "A pond.", types=[reword])
    assert state.documents == full.search("Who sleeps all winter?", k=2, mode="dense")
    assert "vector" not in state.trace[-1].detail


def test_a_corpus_of_another_embedder_refuses_the_vector(full: Corpus, tmp_path: Any) -> None:
    with Corpus(tmp_path / "other", embedder=HashingEmbedder(name="other")) as other:
        other.add(TEXTS)
        state = RagState(question=QUESTION).model_copy(
            update={"vector": Hyde(llm=FakeListChatModel(responses=["A."]), embedder=full.embedder).invoke(QUESTION)}
        )
        with pytest.raises(Exception, match="let the nodes that make it and search with it have the same corpus"):
            NODES["dense"](state, Context("find", lambda: other))


def test_a_search_beside_the_imagining_is_a_race() -> None:
    graph = {"nodes": {"imagine": "hyde", "find": "dense"}, "flow": ["start -> [imagine, find] -> end"]}
    assert list(map(str, check(graph))) == [
        "nodes.find.use: reads vector while 'imagine', on another branch, may be writing it; "
        "let one come after the other"
    ]
    graph["nodes"] = {"imagine": "hyde", "find": "lexical"}
    assert check(graph) == []


def test_feedback_moves_the_query_s_vector_for_a_second_search(full: Corpus) -> None:
    nodes = {"look": {"use": "hybrid", "k": 2}, "learn": {"use": "feedback", "depth": 2}, "find": {"use": "dense"}}
    state = run(nodes, ["start -> look -> learn -> find -> end"], full)
    first = full.search(QUESTION, k=2)
    vectors = full.vectors([str(hit.document.id) for hit in first])
    moved = Rocchio(depth=2).move(full.embedder.encode_query(QUESTION), vectors, [2, 1])
    assert state.vector is not None
    assert np.allclose(state.vector.values, moved / np.linalg.norm(moved), atol=1e-6)
    assert state.vector.made_from == tuple(str(hit.document.id) for hit in first)
    assert state.documents == full.search(vector=state.vector.values, k=10)
    assert state.trace[1].detail.startswith("moved by 2 documents, cosine to where it was 0.")


def test_feedback_goes_on_from_where_hyde_has_moved_the_vector(full: Corpus) -> None:
    nodes = {"imagine": {"use": "hyde", "n": 1}, "look": {"use": "dense", "k": 1}, "learn": {"use": "feedback"}}
    state = run(nodes, ["start -> imagine -> look -> learn -> end"], full, PASSAGE)
    imagined = Hyde(llm=FakeListChatModel(responses=[PASSAGE]), embedder=full.embedder, n=1).invoke(QUESTION)
    found = full.vectors([str(hit.document.id) for hit in state.documents])
    moved = ALPHA * np.array(imagined.values) + BETA * found[0]
    assert state.vector is not None
    assert np.allclose(state.vector.values, moved / np.linalg.norm(moved), atol=1e-6)


def test_a_reranker_s_scores_move_the_vector(full: Corpus) -> None:
    hits = full.search(QUESTION, k=4, mode="dense")
    turned = [Hit(hit.document, -hit.score, rank) for rank, hit in enumerate(hits[::-1], start=1)]
    context = Context("learn", lambda: full)
    state = RagState(question=QUESTION, documents=turned)
    vector = NODES["reranker-feedback"](state, context, steps=200, rate=0.01)["vector"]
    found = full.search(vector=vector.values, k=4)
    assert [hit.document for hit in found] == [hit.document for hit in turned]
    assert context.notes[0].startswith("moved by 4 documents")


@pytest.mark.parametrize("name", ["feedback", "reranker-feedback"])
def test_feedback_by_no_document_one_and_identical_ones(name: str, full: Corpus) -> None:
    own = full.embedder.encode_query(QUESTION)
    context = Context("learn", lambda: full)
    assert NODES[name](RagState(question=QUESTION), context) == {"vector": None}
    assert context.notes == ["no documents: the vector as it is"]
    (hit,) = full.search(QUESTION, k=1)
    for number in (1, 3):
        state = RagState(question=QUESTION, documents=[hit] * number)
        values = NODES[name](state, Context("learn", lambda: full))["vector"].values
        assert np.linalg.norm(values) == pytest.approx(1)
        assert (np.allclose(values, own, atol=1e-6)) == (name == "reranker-feedback")


def test_feedback_embeds_documents_that_are_not_of_the_corpus(full: Corpus) -> None:
    (hit,) = full.search(QUESTION, k=1)
    foreign = Hit(hit.document.model_copy(update={"id": "elsewhere"}), 1.0, 1)
    by_id, by_text = (
        NODES["feedback"](RagState(question=QUESTION, documents=[each]), Context("learn", lambda: full))["vector"]
        for each in (hit, foreign)
    )
    assert np.allclose(by_id.values, by_text.values, atol=1e-5)


HISTORY = [Turn("user", "Tell me of Toad."), Turn("assistant", "Toad steals a motor-car.")]


def test_the_history_reaches_the_rewriting_and_the_rewritten_question_the_search_and_the_answer(full: Corpus) -> None:
    nodes = {
        "rewrite": "rewrite",
        "find": {"use": "hybrid", "k": 2},
        "weigh": {"use": "gather", "asked": "query"},
        "quote": {"use": "quote", "min_confidence": 0},
    }
    flow = ["start -> rewrite -> find -> weigh -> quote -> end"]
    better = "Who steals a motor-car, Toad?"
    state = run(nodes, flow, full, better, history=HISTORY)
    assert (state.question, state.query) == (QUESTION, better)
    assert state.documents == full.search(better, k=2)
    assert state.evidence is not None
    assert state.evidence.question == better
    assert state.trace[0].detail == better
    alone = run(nodes, flow, full, llm=FakeListChatModel(responses=[]))
    assert alone.query == QUESTION
    assert alone.trace[0].detail == "nothing was said before"


PARTS = {
    "divide": {"use": "decompose", "most": 3},
    "whole": {"use": "hybrid", "k": 1},
    "one": {"use": "subsearch", "number": 1, "k": 1},
    "two": {"use": "subsearch", "number": 2, "k": 1, "mode": "lexical"},
    "fuse": "rrf",
}
DIVIDED = ["start -> divide -> [whole, one, two] -> fuse -> end"]


def test_each_branch_searches_for_its_question_and_a_join_fuses_them(full: Corpus) -> None:
    reply = '{"questions": ["Who steals?", "Where is the motor-car?"]}'
    state = run(PARTS, DIVIDED, full, reply)
    assert state.subquestions == ["Who steals?", "Where is the motor-car?"]
    assert state.candidates["one"] == full.search("Who steals?", k=1)
    assert state.candidates["two"] == full.search("Where is the motor-car?", k=1, mode="lexical")
    assert {hit.document.id for hit in state.documents} == {
        hit.document.id for name in ("whole", "one", "two") for hit in state.candidates[name]
    }


@pytest.mark.parametrize("reply", ["", "no", f'{{"questions": ["{QUESTION}"]}}'])
def test_a_question_that_is_not_divided_is_searched_for_as_it_is(reply: str, full: Corpus) -> None:
    state = run(PARTS, DIVIDED, full, reply)
    assert (state.candidates["one"], state.candidates["two"], state.subquestions) == ([], [], [])
    assert [hit.document for hit in state.documents] == [hit.document for hit in full.search(QUESTION, k=1)]


def test_a_subsearch_without_a_decompose_before_it_is_refused() -> None:
    graph = {"nodes": {"one": {"use": "subsearch", "number": 1}}, "flow": ["start -> one -> end"]}
    (problem,) = check(graph)
    assert "'subsearch' reads subquestions, which nothing writes" in str(problem)
    assert "a node of type 'decompose' writes it" in str(problem)


LOOP = {"find": {"use": "hybrid", "k": 1}, "attempt": "cited", "again": "iterate"}
LOOPED: list[Any] = [
    "start -> find -> attempt -> again",
    {"from": "again", "when": "not settled", "then": "find", "at_most": 3, "else": "end"},
]


def test_the_loop_searches_with_the_answer_and_ends_when_it_says_the_same(full: Corpus) -> None:
    state = run(LOOP, LOOPED, full, "Badger. [1]", "A pond. [1]", "A pond! [1]", "Never asked.")
    assert state.drafts == ["Badger.", "A pond.", "A pond!"]
    assert [step.node for step in state.trace] == ["find", "attempt", "again"] * 3
    assert state.documents == full.search(f"{QUESTION} A pond.", k=1)
    assert state.trace[2].detail.startswith("search with: Badger.; ")
    assert state.trace[-1].detail.startswith("the answer says the same; ")


def test_the_loop_is_bounded(full: Corpus) -> None:
    state = run(LOOP, LOOPED, full, *[f"Answer {number}, a pond. [1]" for number in range(9)])
    assert len(state.drafts) == 4
    assert "but at most 3 -> end" in state.trace[-1].detail


@pytest.mark.parametrize("reply", ["", "I don't know."])
def test_without_an_answer_there_is_no_second_round(reply: str, full: Corpus) -> None:
    state = run(LOOP, LOOPED, full, reply)
    assert state.drafts == [""]
    assert state.trace[-1].detail.startswith("there is no answer to search with; ")
    assert state.query == QUESTION


def test_the_rules_of_graphs_are_kept_without_history_answer_and_documents(full: Corpus) -> None:
    llm = FakeListChatModel(responses=[""])
    for name in ("hyde", "feedback", "reranker-feedback", "rewrite", "decompose", "iterate"):
        check_node(NODES[name], states=[RagState(question=QUESTION)], corpus=full, llm=llm)
    subsearch = RagState(question=QUESTION, subquestions=["Who sleeps?"])
    for number in (1, 2):
        check_node(NODES["subsearch"], states=[subsearch], params={"number": number}, corpus=full)


@pytest.mark.model
def test_a_graph_that_is_left_ends_the_imagining(full: Corpus) -> None:
    endless = {"use": "hyde", "n": 2, "max_tokens": 900, "temperature": 3.0, "timeout": 0.2}
    nodes = {"imagine": endless, "find": "dense"}
    with ChatLocal(n_ctx=2048) as llm:
        graph = RagGraph({"nodes": nodes, "flow": ["start -> imagine -> find -> end"]}, corpus=full, llm=llm)
        with pytest.raises(NodeError, match=r"did not end within 0\.2 s"):
            graph.invoke(QUESTION)
        assert idle(llm.engine)
        assert llm.engine.stats().decoded < 900


@pytest.mark.model
@pytest.mark.parametrize(
    ("nodes", "flow"),
    [
        (
            {"find": {"use": "hybrid"}, "draft": {"use": "cited", "max_answer_tokens": 400}},
            ["start -> find -> draft -> end"],
        ),
        ({"draft": {"use": "decompose", "most": 9}, "find": "hybrid"}, ["start -> draft -> find -> end"]),
        ({"draft": {"use": "rewrite"}, "find": "hybrid"}, ["start -> draft -> find -> end"]),
    ],
    ids=["cited", "decompose", "rewrite"],
)
def test_an_answer_that_is_left_is_not_written_to_its_end(nodes: Any, flow: Any, full: Corpus) -> None:
    history = [Turn("user", "Who is Toad? " * 20), Turn("assistant", "A toad.")]
    with ChatLocal(n_ctx=1024) as llm, RagGraph({"nodes": nodes, "flow": flow}, corpus=full, llm=llm) as graph:
        with closing(graph.stream({"question": QUESTION, "history": history})) as events:
            while next(events) != NodeStarted("draft"):
                pass
            while not llm.engine.stats().running:
                pass
        assert idle(llm.engine)
        assert llm.engine.stats().decoded < 40
