"""Node types: what they declare is true, and those of ragloom do what its parts do."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest
from cats import CATS, Purr, prowl
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from pydantic import ValidationError
from ragloom import Corpus, ask
from ragloom.rag.graph import (
    Context,
    GraphError,
    NodeType,
    NodeTypeError,
    RagGraph,
    RagState,
    Registry,
    Update,
    node,
    predicate,
)
from ragloom.rag.graph.checking import plan
from ragloom.rag.graph.nodes.vectors import vectors_of
from ragloom.rag.graph.registry import Catalogue
from ragloom.rag.retrieve import mmr
from ragloom.stores.types import Hit

TEXTS = [
    "Toad steals a motor-car and is sent to prison for twenty years.",
    "Toad steals a motor-car and is sent to prison at once.",
    "Mole meets Rat at the river in spring.",
    "Badger sleeps all winter in the Wild Wood.",
]
QUESTION = "Toad steals a motor-car?"


@pytest.fixture
def full(corpus: Corpus) -> Corpus:
    corpus.add(TEXTS)
    return corpus


def run(preset: str, corpus: Corpus, *replies: str) -> RagState:
    """A graph, node by node, as something that runs graphs would."""
    planned, problems = plan(preset)
    assert problems == []
    state, at = RagState(question=QUESTION), "start"
    while at != "end":
        for decision in planned.flow.decisions_from(at):
            taken = planned.conditions[decision.item].ask(state)[0]
            at = (decision.spec.then if taken else decision.spec.otherwise)[0]
            break
        else:
            (at,) = planned.flow.targets(at)
        if at != "end":
            state = after(
                planned.nodes[at].name, planned.nodes[at].type, planned.nodes[at].params, state, corpus, *replies
            )
    return state


def after(name: str, kind: Any, params: Any, state: RagState, corpus: Corpus, *replies: str) -> RagState:
    """The state after a node, which must have read and written what it declares, and needed no more."""
    reads = {key.partition("[")[0] for key in kind.reads} | {"question"}
    seen = RagState(**{key: getattr(state, key) for key in reads})
    llm = FakeListChatModel(responses=list(replies) or [""])
    context = Context(
        name,
        open_corpus=(lambda: corpus) if "corpus" in kind.needs else None,
        load_llm=(lambda: llm) if "llm" in kind.needs else None,
    )
    update = kind.bind(params)(seen, context)
    assert set(update) == kind.writes
    return RagState.model_validate_json(state.model_copy(update=dict(update)).model_dump_json())


def test_quick_answers_as_ask_does_without_an_llm(full: Corpus) -> None:
    state = run("quick", full)
    reply = ask(QUESTION, full)
    assert reply.answer.how == "quoted"
    assert (state.answer, state.documents) == (reply.answer, reply.documents)
    assert state.citations == reply.answer.citations


@pytest.mark.parametrize("draft", ["Toad steals a motor-car and is sent to prison at once. [1]", "Rat did it.", ""])
def test_default_answers_as_ask_does_with_an_llm(full: Corpus, draft: str) -> None:
    answer = run("default", full, draft).answer
    assert answer is not None
    assert answer.known
    assert answer == ask(QUESTION, full, llm=FakeListChatModel(responses=[draft])).answer


def test_default_does_not_know_what_ask_does_not_know(corpus: Corpus) -> None:
    corpus.add(["Ovens are hot."])
    state = run("default", corpus, "Rat did it.")
    assert state.answer == ask(QUESTION, corpus, llm=FakeListChatModel(responses=["Rat did it."])).answer
    assert state.answer is not None
    assert not state.answer.known


def test_dense_and_lexical_fused_are_hybrid(full: Corpus) -> None:
    nodes, state = Registry.installed().nodes, RagState(question=QUESTION)
    for name in ("lexical", "dense"):
        update = nodes[name](state, Context(name, lambda: full), k=4)
        state = state.model_copy(update={"candidates": {**state.candidates, **update["candidates"]}})
    fused = nodes["rrf"](state, Context("fuse"), of=["lexical", "dense"], keep=3)["documents"]
    assert fused == full.search(QUESTION, k=3)
    alone = nodes["rrf"](state, Context("fuse"), of=["dense"])["documents"]
    assert [hit.document for hit in alone] == [hit.document for hit in state.candidates["dense"]]


def test_mmr_leaves_out_what_says_the_same_again(full: Corpus) -> None:
    kind = Registry.installed().nodes["mmr"]
    state = RagState(question=QUESTION, documents=full.search(QUESTION, k=4))
    kept = after("varied", kind, kind.params(keep=2, lambda_mult=0.3), state, full).documents
    assert [hit.rank for hit in kept] == [1, 2]
    assert sum("Toad" in hit.document.page_content for hit in kept) == 1


def test_mmr_is_the_formula_of_carbonell_and_goldstein() -> None:
    rows = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    query, vectors = rows[0], rows[1:]
    chosen: list[int] = []
    for _ in range(6):
        rest = [i for i in range(11) if i not in chosen]
        worth = {
            i: 0.7 * query @ vectors[i] - 0.3 * max((float(vectors[i] @ vectors[j]) for j in chosen), default=0)
            for i in rest
        }
        chosen.append(max(rest, key=worth.__getitem__))
    assert mmr(query, vectors, keep=6, lambda_mult=0.7) == chosen
    assert mmr(query, vectors, keep=99, lambda_mult=1) == [int(i) for i in np.argsort(-(vectors @ query))]
    assert mmr(query, vectors[:0], keep=3) == []
    with pytest.raises(ValueError, match="between 0 and 1, not 2"):
        mmr(query, vectors, keep=3, lambda_mult=2)


def test_a_node_without_what_it_needs_says_so(full: Corpus) -> None:
    nodes, state = Registry.installed().nodes, RagState(question=QUESTION, documents=full.search(QUESTION, k=1))
    with pytest.raises(GraphError, match="the node 'find' needs a corpus"):
        nodes["dense"](state, Context("find"))
    with pytest.raises(GraphError, match="the node 'write' needs an LLM"):
        nodes["cited"](state, Context("write"))
    with pytest.raises(GraphError, match="nothing has written 'evidence' yet"):
        nodes["quote"](state, Context("say", lambda: full))


def test_a_state_survives_json(full: Corpus) -> None:
    state = run("default", full, "Rat did it. [1]")
    again = RagState.model_validate_json(state.model_dump_json())
    assert again.model_dump_json() == state.model_dump_json()
    assert again.evidence is not None
    assert again == state
    assert again.evidence.vectors.dtype == np.float32
    assert RagState.model_validate(state.model_dump()).answer == state.answer


def test_the_query_is_the_question_until_something_rewrites_it() -> None:
    assert RagState(question="Who?").query == "Who?"
    assert RagState(question="Who?", query="Toad").query == "Toad"
    with pytest.raises(ValidationError):
        RagState(question="Who?", documnets=[])  # type: ignore[call-arg]


def test_parameters_come_from_keywords_or_from_a_class() -> None:
    state, context = RagState(question="Who?"), Context("cat")
    assert prowl(state, context, nights=2)["candidates"] == {"cat": []}
    assert Purr(state, context, volume=3) == {"answer": None}
    assert (Purr.summary, prowl.summary) == ("Say something nice", "Go out and bring something home")
    with pytest.raises(ValidationError):
        prowl(state, context, nights=0)


def no_docstring(state: RagState, context: Context) -> None: ...


def no_context(state: RagState) -> None:
    """Lack the context."""


def positional(state: RagState, context: Context, more: int) -> None:
    """Take more."""


def untyped(state: RagState, context: Context, *, more=1) -> None:  # type: ignore[no-untyped-def]
    """Take anything."""


def reserved(state: RagState, context: Context, *, retries: int = 1) -> None:
    """Take what is taken."""


def unannotated(state):  # type: ignore[no-untyped-def]
    """Whether it is so."""


def plain(state: RagState, context: Context) -> None:
    """Do nothing."""


@pytest.mark.parametrize(
    ("call", "declared", "message"),
    [
        (no_docstring, {}, "has no docstring; its first line says what it does"),
        (no_context, {}, r"takes \(state, context, \*, ...\), not"),
        (positional, {}, r"takes \(state, context, \*, ...\), not"),
        (untyped, {}, "has a parameter 'more' without a type"),
        (reserved, {}, "has a parameter 'retries', which every node has already"),
        (plain, {"reads": {"documnets"}}, "reads an unknown field 'documnets'; did you mean 'documents'"),
        (plain, {"reads": {"candidates[of]"}}, "reads the candidates of an unknown parameter 'of'; there are none"),
        (plain, {"writes": {"question"}}, "writes 'question', which no node changes"),
        (plain, {"writes": "answer"}, r"writes takes several names; write \{'answer'\}"),
        (plain, {"needs": "llm"}, r"needs takes several names; write \{'llm'\}"),
        (plain, {"needs": {"atention"}}, "has an unknown need 'atention'; did you mean 'attention'"),
    ],
)
def test_what_cannot_be_a_node_type(call: Callable[..., None], declared: dict[str, Any], message: str) -> None:
    with pytest.raises(NodeTypeError, match=f"the node type 'x'.* {message}"):
        node("x", **declared)(call)


def test_what_cannot_be_a_predicate() -> None:
    with pytest.raises(NodeTypeError, match="must be annotated to return bool, int, float, str or a Literal"):
        predicate("x")(unannotated)
    with pytest.raises(NodeTypeError, match="has no docstring"):
        predicate("x")(lambda _: True)
    with pytest.raises(NodeTypeError, match="the predicate 'x' reads an unknown field 'documnets'; did you mean"):
        predicate("x", reads={"documnets"})
    with pytest.raises(NodeTypeError, match=r"the predicate 'x': reads takes several names; write \{'answer'\}"):
        predicate("x", reads="answer")
    with pytest.raises(NodeTypeError, match=r"the predicate 'x' takes \(state\), not \(state: .*, context: "):
        predicate("x")(plain)  # type: ignore[arg-type]


def test_a_decorator_without_a_name_says_how_it_is_written() -> None:
    with pytest.raises(NodeTypeError, match=r"@node needs a name, .*; write @node\(NAME\)"):
        node(plain)  # type: ignore[arg-type]
    with pytest.raises(NodeTypeError, match=r"@predicate needs a name, .*; write @predicate\(NAME\)"):
        predicate(plain)  # type: ignore[arg-type]


def test_a_plug_in_does_not_hide_what_is_ragloom_s_own(caplog: pytest.LogCaptureFixture) -> None:
    nodes = Catalogue(NodeType, [prowl], [EntryPoint("prowl", "cats:CATS", "")])
    assert nodes["prowl"] is prowl
    assert caplog.messages == ["the plug-in cats:CATS is left out: 'prowl' is taken"]


def test_plug_ins_are_imported_when_they_are_used() -> None:
    plug_ins = [EntryPoint("shout", "no.such.module:shout", "ragloom.nodes"), EntryPoint("cat", "cats:prowl", "")]
    nodes = Catalogue(NodeType, [prowl], [*plug_ins, EntryPoint("wrong", "cats:CATS", "")])
    assert list(nodes) == ["prowl", "shout", "cat", "wrong"]
    assert [name for name, _ in nodes.usable()] == ["prowl", "cat"]
    assert nodes["cat"].name == "prowl"
    with pytest.raises(NodeTypeError, match=r"cannot import the plug-in no\.such\.module:shout: No module named 'no'"):
        nodes["shout"]
    with pytest.raises(NodeTypeError, match="the plug-in cats:CATS is a Registry, not a NodeType"):
        nodes["wrong"]
    with pytest.raises(NodeTypeError, match="unknown node type 'prwol'; did you mean 'prowl'"):
        CATS.node("prwol")


def test_documents_of_one_id_and_other_texts_are_two() -> None:
    mail, page = Document("A mail.", id="1"), Document("A page.", id="1")
    state = RagState(question="?", candidates={"mails": [Hit(mail, 1.0, 1)], "wiki": [Hit(page, 1.0, 1)]})
    for kind in ("rrf", "fuse"):
        found = Registry.installed().nodes[kind](state, Context("fuse"))["documents"]
        assert {hit.document.page_content for hit in found} == {"A mail.", "A page."}


def test_a_document_of_another_corpus_does_not_have_the_vector_of_its_id(corpus: Corpus) -> None:
    corpus.add([Document("Bread is baked at night.", id="1")])
    text = "Toad steals a motor-car."
    hits = [Hit(Document(text, id="1"), 1.0, 1)]
    assert np.allclose(vectors_of(hits, corpus), corpus.embedder.encode([text]), atol=1e-6)
    own = [Hit(corpus.get(["1"])[0], 1.0, 1)]
    assert np.array_equal(vectors_of(own, corpus), corpus.vectors(["1"]))


def test_in_a_loop_only_what_was_found_in_this_round_is_fused(corpus: Corpus) -> None:
    corpus.add(["Toad steals a motor-car.", "Bread is baked at night.", "Toad sleeps."])

    @node("reranked", reads={"documents"}, writes={"documents", "candidates"})
    def reranked(state: RagState, context: Context) -> Update:
        """Turn the order."""
        return {"documents": state.documents[::-1], "candidates": {context.node: state.documents[::-1]}}

    spec = {
        "nodes": {
            "dense": {"use": "dense", "k": 1},
            "lexical": {"use": "lexical", "k": 1},
            "fuse": "rrf",
            "turn": "reranked",
        },
        "flow": [
            "start -> [dense, lexical] -> fuse -> turn",
            {"from": "turn", "when": "documents > 0", "then": ["dense", "lexical"], "else": "end", "at_most": 1},
        ],
    }
    told = [step.detail for step in RagGraph(spec, corpus=corpus, types=[reranked]).invoke("Toad?").trace]
    assert [detail.partition(" -> ")[0] for detail in told if " of dense" in detail] == ["1 of dense, 1 of lexical"] * 2
