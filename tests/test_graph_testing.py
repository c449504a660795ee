"""The conformance kit: each rule catches a node that breaks it and no other, and what keeps them all passes."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cats import CATS
from kittens import Does, cat
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from pydantic import BaseModel, ConfigDict
from ragloom import Corpus
from ragloom.rag.generate.evidence import gather
from ragloom.rag.generate.types import Answer, Citation, Statement
from ragloom.rag.graph import Context, GraphError, NodeType, RagState, Registry, Turn, Update, Verdict, node
from ragloom.rag.graph.testing import BrokenRulesError, check_node
from ragloom.rag.retrieve import QueryVector
from ragloom.stores.types import Hit

HIT = Hit(Document("Toad.", id="1", metadata={"page": 1}), 0.5, 1)
STATE = RagState(
    question="Who?", documents=[HIT], extra={"x": [1]}, candidates={"a": [Hit(Document("Toad."), 0.5, 1)], "b": []}
)

OVER = threading.Event()
"""Set when a test is over, so that what hung goes home."""


@pytest.fixture(autouse=True)
def over() -> Iterator[None]:
    OVER.clear()
    yield
    OVER.set()


def findings(kind: NodeType, state: RagState = STATE, **options: Any) -> list[str]:
    with pytest.raises(BrokenRulesError) as told:
        check_node(kind, states=[state], **{"patience": 0.3, "timeout": 5.0, **options})
    assert str(told.value).splitlines()[0] == f"the node type {kind.name!r}:"
    assert isinstance(told.value, AssertionError)
    return list(told.value.findings)


def finds(does: Does, expected: str, *, reads: list[str] | None = None, writes: list[str] | None = None) -> None:
    """Whether exactly this is found."""
    assert findings(cat("a", does, reads=reads or [], writes=writes or [])) == [expected]


def test_what_keeps_the_rules_passes() -> None:
    async def patient(state: RagState, context: Context) -> Update:
        await asyncio.sleep(0)
        context.note("looked")
        return {"documents": [*state.documents, HIT], "candidates": {context.node: []}}

    check_node(cat("a", patient, reads=["documents"], writes=["documents", "candidates"]), states=[STATE])
    check_node(cat("a", lambda state, context: None), states=[STATE, RagState(question="What?")])


@pytest.mark.parametrize("name", ["prowl", "pile", "purr", "nap"])
def test_cats_keep_the_rules(name: str) -> None:
    check_node(CATS.nodes[name], states=[STATE], params={"volume": 1} if name == "purr" else {})


@pytest.mark.parametrize("field", sorted(set(RagState.model_fields) - {"question", "extra", "candidates"}))
def test_a_field_that_is_read_and_not_declared_is_found(field: str) -> None:
    kind = cat("a", lambda state, context: {"extra": {"y": repr(getattr(state, field))}}, writes=["extra.y"])
    assert findings(kind) == [
        f"looks at {field}; declare it: reads={{'{field}'}}, or leave it alone",
        f"its result changes with {field}; declare it: reads={{'{field}'}}",
    ]


def test_a_field_that_is_looked_at_is_found_though_it_makes_no_difference() -> None:
    def peek(state: RagState, context: Context) -> None:
        assert len(state.documents) >= 0

    finds(peek, "looks at documents; declare it: reads={'documents'}, or leave it alone")


def test_a_field_that_makes_a_difference_is_found_though_it_was_looked_at_in_secret() -> None:
    def spy(state: RagState, context: Context) -> Update:
        return {"extra": {"y": len(state.model_dump()["documents"]) + len(state.model_dump()["verdicts"])}}

    kind = cat("a", spy, reads=["documents"], writes=["extra.y"])
    expected = "its result changes with verdicts; declare it: reads={'verdicts'}"
    assert findings(kind) == [expected]


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (["extra.x"], []),
        (["extra"], []),
        (["extra.z"], ["looks at extra.x; declare it: reads={'extra.x'}, or leave it alone"]),
    ],
)
def test_users_own_values_are_told_apart(declared: list[str], expected: list[str]) -> None:
    kind = cat("a", lambda state, context: state.extra.get("x") and None, reads=declared)
    if expected:
        assert findings(kind) == expected
    else:
        check_node(kind, states=[STATE])


def test_candidates_of_named_nodes_are_told_apart() -> None:
    @node("a", reads=["candidates[of]"], writes=["documents"])
    def fuse(state: RagState, context: Context, *, of: list[str], secretly: str = "a") -> Update:
        """Fuse."""
        return {"documents": [hit for name in (*of, secretly) for hit in state.candidates[name]]}

    check_node(fuse, states=[STATE], params={"of": ["a", "b"]})
    assert findings(fuse, params={"of": ["b"]})[0] == (
        "looks at candidates[a]; declare it: reads={'candidates[a]'}, or leave it alone"
    )


def test_what_it_writes_is_what_it_declares() -> None:
    finds(
        lambda state, context: {"documents": [], "route": "x"},
        "wrote 'route', but its type 'a' declares only documents; make `writes` and what it returns the same",
        writes=["documents"],
    )
    finds(
        lambda state, context: {},
        "did not write 'route', which its type 'a' declares to write; make `writes` and what it returns the same",
        writes=["route"],
    )
    finds(
        lambda state, context: {"route": 3},
        "wrote route: should be a valid string, not 3; make `writes` and what it returns the same",
        writes=["route"],
    )


def test_candidates_go_under_the_nodes_own_name() -> None:
    finds(
        lambda state, context: {"candidates": {"dense": []}},
        "wrote candidates[dense]; a node's candidates go under its own name; "
        "make `writes` and what it returns the same",
        writes=["candidates"],
    )


def test_a_node_that_fails_or_hangs_is_found() -> None:
    def fail(state: RagState, context: Context) -> None:
        raise ValueError("no mice")

    finds(fail, "failed: ValueError: no mice; give it a state that it can work on, or fix the node")
    hanging = cat("a", lambda state, context: OVER.wait(60) and None)
    expected = "did not end within 0.1 s; make it faster, or allow more: check_node(..., timeout=...)"
    assert findings(hanging, timeout=0.1) == [expected]


def test_a_need_that_is_not_declared_is_found(corpus: Corpus) -> None:
    @node("a", needs=["llm"])
    def search(state: RagState, context: Context) -> None:
        """Search."""
        context.corpus.search("Toad")

    found = findings(search, llm=FakeListChatModel(responses=["x"]), corpus=corpus)
    assert found == [
        "failed: GraphError: needs a corpus; give the graph one, or write corpus: FOLDER; "
        "give it a state that it can work on, or fix the node",
        "asks for the corpus; declare it: needs={'corpus'}",
    ]


def test_what_is_random_is_found_or_said() -> None:
    def dice(state: RagState, context: Context) -> Update:
        return {"extra": {"y": random.random()}}

    kind = cat("a", dice, writes=["extra.y"])
    assert findings(kind) == [
        "gives another result for the same state; seed what is random, "
        "or say that it is so: check_node(..., deterministic=False)"
    ]
    check_node(kind, states=[STATE], deterministic=False)


def test_a_node_that_depends_on_the_loop_is_found() -> None:
    def look(state: RagState, context: Context) -> Update:
        return {"extra": {"y": threading.current_thread().name.count("x")}}

    async def alook(state: RagState, context: Context) -> Update:
        tasks = len(asyncio.all_tasks())
        return {"extra": {"y": tasks}}

    check_node(cat("a", look, writes=["extra.y"]), states=[STATE])
    finds(
        alook,
        "gives another result under ainvoke than under invoke; make it independent of threads and event loops",
        writes=["extra.y"],
    )


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("documents", lambda state: state.documents.append(HIT)),
        ("documents", lambda state: state.documents[0].document.metadata.update(page=2)),
        ("extra", lambda state: state.extra["x"].append(2)),
        ("candidates", lambda state: state.candidates["b"].append(HIT)),
    ],
)
def test_a_state_that_is_changed_is_found(field: str, change: Any) -> None:
    finds(
        lambda state, context: change(state) and None,
        f"changes the state's {field}; return a new value and leave the old one as it is",
        reads=[field],
    )


def test_parameters_that_are_changed_are_found() -> None:
    @node("a")
    def pop(state: RagState, context: Context, *, names: list[str]) -> None:
        """Pop."""
        names.append("x")

    found = findings(pop, params={"names": ["a"]})
    assert found == ["changes its parameters, which every run shares; copy what it changes"]


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_what_json_cannot_hold_is_found(value: float) -> None:
    found = findings(
        cat("a", lambda state, context: {"verdicts": [Verdict("1", value)]}, writes=["verdicts"]), deterministic=False
    )
    assert len(found) == 1
    assert found[0].startswith("writes verdicts that ")
    assert found[0].endswith("; write plain values: texts, finite numbers, lists, dictionaries")


@pytest.mark.parametrize("value", [{1, 2}, (1, 2), object()])
def test_documents_with_what_no_checkpoint_can_hold_are_found(value: Any) -> None:
    hit = Hit(Document("Toad.", metadata={"at": value}), 0.5, 1)
    found = findings(cat("a", lambda state, context: {"documents": [hit]}, writes=["documents"]))
    assert len(found) == 1
    assert found[0].startswith("writes documents that ")


def test_a_node_that_goes_on_when_cancelled_is_found() -> None:
    def sometimes(state: RagState, context: Context) -> None:
        if context.cancelled.is_set():
            OVER.wait(60)

    finds(sometimes, "goes on when it is cancelled; call context.check_cancelled() now and then")

    async def cling(state: RagState, context: Context) -> None:
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            await asyncio.to_thread(OVER.wait, 60)

    finds(cling, "goes on when it is cancelled; let asyncio.CancelledError pass")


def test_a_node_that_stops_when_cancelled_passes() -> None:
    def listens(state: RagState, context: Context) -> None:
        context.check_cancelled()

    async def sleeps(state: RagState, context: Context) -> None:
        await asyncio.sleep(0.01)

    for does in (listens, sleeps):
        check_node(cat("a", does), states=[STATE], patience=0.3)


def test_a_node_that_fails_when_cancelled_is_found() -> None:
    def panic(state: RagState, context: Context) -> None:
        if context.cancelled.is_set():
            raise KeyError("panic")

    finds(panic, "fails when it is cancelled: KeyError: 'panic'; let CancelledError pass")


def test_parameters_that_no_schema_can_describe_are_found() -> None:
    class Odd:
        pass

    class Strange(BaseModel):
        """Be strange."""

        model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

        odd: Odd | None = None

        def __call__(self, state: RagState, context: Context) -> Update:
            return {}

    (found,) = findings(node("a")(Strange))
    assert found.startswith("has parameters that no JSON Schema can describe (")


def test_a_type_without_words_is_found() -> None:
    silent = NodeType(
        "a", " ", CATS.nodes["nap"].params, frozenset(), frozenset(), frozenset(), lambda state, context: {}
    )
    assert findings(silent) == ["has no docstring; its first line says what it does"]


def test_everything_is_found_at_once() -> None:
    def awful(state: RagState, context: Context) -> Update:
        state.documents.append(HIT)
        return {"verdicts": [Verdict("1", float("inf"))]}

    assert [each.split(";")[0] for each in findings(cat("a", awful, writes=["verdicts"]))] == [
        "looks at documents",
        "changes the state's documents",
        "writes verdicts that is another after a checkpoint",
    ]


async def test_it_works_in_a_test_that_is_async() -> None:
    check_node(cat("a", lambda state, context: None), states=[STATE])


def test_the_kit_says_what_it_lacks(corpus: Corpus) -> None:
    needy = node("a", needs=["corpus", "logits"])(lambda_with_doc)
    with pytest.raises(GraphError, match=r"nothing to try the node on; write check_node\(..., states="):
        check_node(needy, states=[])
    with pytest.raises(GraphError, match=r"the node type 'a' needs the corpus; write check_node\(..., corpus=...\)"):
        check_node(needy, states=[STATE])
    with pytest.raises(GraphError, match=r"the node type 'a' needs the llm; write check_node\(..., llm=...\)"):
        check_node(needy, states=[STATE], corpus=corpus)


def lambda_with_doc(state: RagState, context: Context) -> None:
    """Do nothing."""


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where nodes open a memory that is not named


TEXTS = ["Toad steals a motor-car and is sent to prison.", "Mole meets Rat at the river.", "Badger sleeps all winter."]
QUESTION = "Who steals a motor-car?"
PARAMS = {"route": {"among": ["dense", "lexical"]}, "filter": {"keep": 2}, "subsearch": {"number": 1}}
WITH_MODELS = {"cross-encoder"}  # and those that look into an LLM: see test_graph_reranking, test_graph_judging
OWN = sorted(
    name
    for name, kind in Registry.installed().nodes.items()
    if not kind.needs & {"logprobs", "logits", "attention"} and name not in WITH_MODELS
)


def everything(corpus: Corpus) -> RagState:
    """A state that has something for every node type."""
    corpus.add(TEXTS)
    hits = corpus.search(QUESTION, k=3)
    evidence = gather(QUESTION, [hit.document for hit in hits], corpus.embedder)
    citation = Citation.of(hits[0].document)
    answer = Answer(QUESTION, (Statement("Toad steals a motor-car.", (1,)),), (citation,), "cited")
    return RagState(
        question=QUESTION,
        history=[Turn("user", "Tell me of Toad."), Turn("assistant", "He is rich.")],
        vector=QueryVector.of(QUESTION, corpus.embedder.encode_query("Toad"), corpus.embedder.fingerprint),
        subquestions=["Who steals?", "Where is the motor-car?"],
        drafts=["Toad steals."],
        where={"start": 0},
        candidates={"dense": hits[:2], "lexical": hits[1:]},
        documents=hits,
        evidence=evidence,
        quotes=answer,
        answer=answer,
        memory=[hits[0].document],
        verdicts=[Verdict(hits[0].document.id or "", 0.5)],
        route="dense",
    )


@pytest.mark.parametrize("name", OWN)
def test_own_node_types_keep_the_rules(name: str, corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "ragloom.stores.embedder.as_embedder", lambda _given: corpus.embedder
    )  # it weighed the evidence
    state = everything(corpus)
    llm = FakeListChatModel(responses=["Toad steals a motor-car. [1]"])
    bare = [] if name in {"quote", "ground", "ground-memory"} else [RagState(question=QUESTION)]
    kind, params = Registry.installed().nodes[name], PARAMS.get(name)
    check_node(kind, states=[state, *bare], params=params, corpus=corpus, llm=llm)


@pytest.mark.model
def test_they_keep_the_rules_with_the_embedder_that_ships(tmp_path: Any) -> None:
    with Corpus(tmp_path / "index") as corpus:
        state = everything(corpus)
        for name in ("hybrid", "gather", "ground"):
            check_node(Registry.installed().nodes[name], states=[state], corpus=corpus)
