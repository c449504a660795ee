"""A run that broke off is resumed where it was; nothing that was done is done again."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import HashingEmbedder
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st
from kittens import asks, cat, cats, graph, way
from langchain_core.documents import Document
from langgraph.checkpoint.memory import InMemorySaver
from ragloom.rag.generate import Evidence, gather
from ragloom.rag.generate.types import Answer, Citation, Statement
from ragloom.rag.graph import (
    Context,
    GraphError,
    NodeEnded,
    NodeError,
    NodeStarted,
    NodeTimeoutError,
    NodeTrace,
    RagGraph,
    RagState,
    ThreadError,
    Turn,
    Update,
    Verdict,
)
from ragloom.rag.graph.running.channels import serializer
from ragloom.rag.graph.state import WRITABLE
from ragloom.rag.retrieve import QueryVector
from ragloom.stores.embedder import Fingerprint
from ragloom.stores.types import Hit

Call = Callable[..., RagState]


def waited(call: Callable[..., Any]) -> Call:
    return lambda *args, **options: asyncio.run(call(*args, **options))


def begin_by(running: RagGraph, how: str) -> Call:
    return running.invoke if how == "sync" else waited(running.ainvoke)


def resume_by(running: RagGraph, how: str) -> Call:
    return running.resume if how == "sync" else waited(running.aresume)


class Moody:
    """Fails while it is told to, and remembers who ran."""

    def __init__(self) -> None:
        self.fails = True
        self.ran: list[str] = []

    def __call__(self, state: RagState, context: Context) -> None:
        self.ran.append(context.node)
        if context.node == "moody" and self.fails:
            raise ValueError("not now")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new" / "runs.sqlite"


BOTH = pytest.mark.parametrize(("began", "resumed"), [(a, b) for a in ("sync", "async") for b in ("sync", "async")])
ROW = "start -> a -> b -> moody -> c -> end"
FORK = ["start -> a -> [b, moody] -> c -> end"]


@BOTH
@pytest.mark.parametrize("flow", [ROW, FORK])
def test_only_what_had_not_run_runs(began: str, resumed: str, flow: Any, file: Path) -> None:
    does = Moody()
    running = graph(flow, *cats("a b moody c", does), checkpoints=file)
    with pytest.raises(NodeError, match="the node 'moody' failed: ValueError: not now"):
        begin_by(running, began)("Who?", thread="t")
    first = list(does.ran)
    does.fails, does.ran = False, []
    state = resume_by(running, resumed)("t")
    assert "moody" in does.ran
    assert does.ran[-1] == "c"
    done = set(first) - {"moody"}
    assert not ({"a"} & set(does.ran))
    assert set(does.ran) | done == {"a", "b", "moody", "c"}
    assert sorted(way(state)) == sorted(["a", "b", "moody", "c"])


@pytest.mark.parametrize("began", ["sync", "async"])
def test_a_branch_that_was_done_is_not_done_again(began: str, file: Path) -> None:
    does, done = Moody(), threading.Event()

    def later(state: RagState, context: Context) -> None:
        done.wait(10)
        does(state, context)

    flow = "start -> [b, moody] -> c -> end"
    running = graph(flow, *cats("b c", does), cat("moody", later), checkpoints=file)

    def run() -> None:
        for event in running.stream("Who?", thread="t"):
            if isinstance(event, NodeEnded):
                done.set()

    async def arun() -> None:
        async for event in running.astream("Who?", thread="t"):
            if isinstance(event, NodeEnded):
                done.set()

    with pytest.raises(NodeError):
        run() if began == "sync" else asyncio.run(arun())
    assert does.ran == ["b", "moody"]
    does.fails = False
    assert sorted(way(running.resume("t"))) == ["b", "c", "moody"]
    assert does.ran == ["b", "moody", "moody", "c"]


@BOTH
def test_rounds_are_counted_across_a_break(began: str, resumed: str, file: Path) -> None:
    does = Moody()
    flow = ["start -> a", {"from": "a", "when": "yes", "then": "a", "at_most": 2, "else": "moody"}]
    flow += [{"from": "moody", "when": "yes", "then": "a", "at_most": 1, "else": "end"}]
    running = graph(flow, asks("yes", lambda state: True), *cats("a moody", does), checkpoints=file)
    with pytest.raises(NodeError):
        begin_by(running, began)("Who?", thread="t")
    does.fails = False
    assert way(resume_by(running, resumed)("t")) == ["a", "a", "a", "moody", "a", "moody"]


@BOTH
def test_a_finished_run_is_given_as_it_ended(began: str, resumed: str, file: Path) -> None:
    does = Moody()
    does.fails = False
    running = graph(ROW, *cats("a b moody c", does), checkpoints=file)
    state = begin_by(running, began)("Who?", thread="t")
    assert resume_by(running, resumed)("t") == state
    assert does.ran == ["a", "b", "moody", "c"]


def test_another_graph_object_goes_on(file: Path) -> None:
    does = Moody()
    with pytest.raises(NodeError):
        graph(ROW, *cats("a b moody c", does), checkpoints=file).invoke("Who?", thread="t")
    does.fails = False
    assert way(graph(ROW, *cats("a b moody c", does), checkpoints=str(file)).resume("t")) == ["a", "b", "moody", "c"]


@BOTH
def test_a_node_that_was_too_slow_is_tried_again(began: str, resumed: str, file: Path) -> None:
    slow = [True]

    def nap(state: RagState, context: Context) -> None:
        if slow:
            context.cancelled.wait(10)

    running = graph(
        "start -> a -> b -> end", *cats("a"), cat("b", nap), settings={"b": {"timeout": 0.05}}, checkpoints=file
    )
    with pytest.raises(NodeTimeoutError):
        begin_by(running, began)("Who?", thread="t")
    slow.clear()
    assert way(resume_by(running, resumed)("t")) == ["a", "b"]


@pytest.mark.parametrize("began", ["sync", "async"])
def test_a_new_question_begins_a_thread_anew(began: str, file: Path) -> None:
    does = Moody()
    running = graph(ROW, *cats("a b moody c", does), checkpoints=file)
    with pytest.raises(NodeError):
        begin_by(running, began)({"question": "Who?", "history": [Turn("user", "Hi.")]}, thread="t")
    does.fails = False
    state = begin_by(running, began)("What?", thread="t")
    assert (state.question, state.query, state.history, way(state)) == ("What?", "What?", [], ["a", "b", "moody", "c"])
    assert running.resume("t") == state


def test_threads_are_kept_apart(file: Path) -> None:
    running = graph("start -> a -> end", *cats("a"), checkpoints=file)
    names = ["t", "T", "t ", "ü", "../t", "a'b;--", "t" * 999]
    for name in names:
        running.invoke(f"Who is {name}?", thread=name)
    assert [running.resume(name).question for name in names] == [f"Who is {name}?" for name in names]


def test_a_thread_may_be_named_in_langchains_way(file: Path) -> None:
    running = graph("start -> a -> end", *cats("a"), checkpoints=file)
    running.invoke("Who?", {"configurable": {"thread_id": 7}})
    assert running.resume("7").question == "Who?"


def test_langchains_thread_is_nothing_without_checkpoints() -> None:
    running = graph("start -> a -> end", *cats("a"))
    assert way(running.invoke("Who?", {"configurable": {"thread_id": "t"}})) == ["a"]


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_thread_that_there_is_not(how: str, file: Path) -> None:
    kept, unkept = graph(ROW, *cats("a b moody c"), checkpoints=file), graph(ROW, *cats("a b moody c"))
    kept.invoke("Who?", thread="there")
    with pytest.raises(ThreadError, match=r"there is no run 'here' to resume; it may have been kept in another file"):
        resume_by(kept, how)("here")
    with pytest.raises(ThreadError, match=r"nowhere to find the thread 't'; write RagGraph\(..., checkpoints=FILE\)"):
        resume_by(unkept, how)("t")
    with pytest.raises(ThreadError, match=r"nowhere to keep the thread 't'; write RagGraph\(..., checkpoints=FILE\)"):
        begin_by(unkept, how)("Who?", thread="t")
    for call in (resume_by(kept, how), lambda name: begin_by(kept, how)("Who?", thread=name)):
        with pytest.raises(ThreadError, match="the thread's name is empty"):
            call("")


def no_database(folder: Path) -> Path:
    (folder / "text").write_text("Toad was here, and he wrote more than a hundred bytes of nonsense. " * 9)
    return folder / "text"


def another_database(folder: Path) -> Path:
    with sqlite3.connect(folder / "other") as connection:
        connection.execute("CREATE TABLE checkpoints (toad)")
        connection.execute("CREATE TABLE writes (rat)")
    return folder / "other"


def below_a_file(folder: Path) -> Path:
    return no_database(folder) / "runs.sqlite"


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize("make", [no_database, another_database, below_a_file, lambda folder: folder])
def test_a_file_that_cannot_keep_runs_is_named(how: str, make: Callable[[Path], Path], tmp_path: Path) -> None:
    file = make(tmp_path)
    running = graph(ROW, *cats("a b moody c"), checkpoints=file)
    for call in (lambda: begin_by(running, how)("Who?", thread="t"), lambda: resume_by(running, how)("t")):
        with pytest.raises(GraphError, match="cannot keep runs in ") as told:
            call()
        assert str(file) in str(told.value)
        assert str(told.value).endswith("; name a file that can be written")
    assert way(running.invoke("Who?")) == ["a", "b", "moody", "c"], "a run without a thread needs no file"


def test_a_saver_of_langgraph_will_do() -> None:
    does, saver = Moody(), InMemorySaver()
    running = graph(ROW, *cats("a b moody c", does), checkpoints=saver)
    with pytest.raises(NodeError):
        running.invoke("Who?", thread="t")
    does.fails = False
    assert way(asyncio.run(running.aresume("t"))) == ["a", "b", "moody", "c"]


def test_a_run_that_was_left_is_resumed(file: Path) -> None:
    does = Moody()
    does.fails = False
    running = graph(ROW, *cats("a b moody c", does), checkpoints=file)
    events: Iterator[Any] = running.stream("Who?", thread="t")
    for event in events:
        if event == NodeStarted("moody"):
            break
    events.close()  # type: ignore[attr-defined]
    state = running.resume("t")
    assert way(state) == ["a", "b", "moody", "c"]
    assert does.ran.count("a") == does.ran.count("b") == 1


WORDS = st.text(st.characters(codec="utf-8"), max_size=8)
NUMBERS = st.floats(allow_nan=False)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
DOCUMENTS = st.builds(Document, WORDS, id=st.none() | WORDS, metadata=st.dictionaries(WORDS, JSONS, max_size=3))
HITS = st.lists(st.builds(Hit, DOCUMENTS, NUMBERS, st.integers(1, 9)), max_size=3)
STATEMENTS = st.lists(st.builds(Statement, WORDS, st.lists(st.integers(1, 9), max_size=2).map(tuple)), max_size=2)
HEADINGS = st.lists(WORDS, max_size=2).map(tuple)
NUMBER = st.integers(0, 99)
CITATIONS = st.builds(Citation, WORDS, WORDS, WORDS, HEADINGS, NUMBER, NUMBER, WORDS, st.none() | NUMBER)
ANSWERS = st.builds(
    Answer,
    question=WORDS,
    statements=STATEMENTS.map(tuple),
    citations=st.lists(CITATIONS, max_size=2).map(tuple),
    how=st.sampled_from(["cited", "grounded", "quoted", "unknown"]),
    confidence=st.none() | NUMBERS,
    notes=HEADINGS,
    dropped=STATEMENTS.map(tuple),
    usage=st.dictionaries(WORDS, NUMBER, max_size=2),
)
ROWS = st.lists(st.floats(width=32, allow_nan=False), max_size=3).map(lambda row: np.array(row, dtype=np.float32))
EVIDENCE = st.builds(
    Evidence,
    question=WORDS,
    documents=st.lists(DOCUMENTS, max_size=2).map(tuple),
    sentences=st.lists(CITATIONS, max_size=2).map(tuple),
    passage_of=st.lists(NUMBER, max_size=2).map(tuple),
    vectors=ROWS.map(lambda row: np.stack([row, row])),
    sentence_scores=ROWS,
    passage_scores=ROWS,
    ranking=st.lists(NUMBER, max_size=2).map(tuple),
    confidence=NUMBERS,
    language=st.sampled_from(["en", "de"]),
)
FINGERPRINTS = st.builds(Fingerprint, WORDS, NUMBER, WORDS)
VECTORS = st.builds(QueryVector, WORDS, st.lists(NUMBERS, max_size=3).map(tuple), FINGERPRINTS, HEADINGS, HEADINGS)
DECISIONS = st.lists(st.tuples(NUMBER, st.booleans()), max_size=2).map(tuple)
TRACES = st.builds(NodeTrace, WORDS, NUMBERS, WORDS, *[NUMBER] * 5, WORDS, DECISIONS, NUMBER)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "question": WORDS.filter(str.strip),
    "query": WORDS.filter(str.strip),
    "vector": st.none() | VECTORS,
    "subquestions": st.lists(WORDS, max_size=2),
    "drafts": st.lists(WORDS, max_size=2),
    "where": st.dictionaries(WORDS, JSONS, max_size=2),
    "evidence": st.none() | EVIDENCE,
    "quotes": st.none() | ANSWERS,
    "trace": st.lists(TRACES, max_size=2),
    "history": st.lists(st.builds(Turn, st.sampled_from(["user", "assistant"]), WORDS), max_size=2),
    "candidates": st.dictionaries(WORDS, HITS, max_size=3),
    "documents": HITS,
    "answer": st.none() | ANSWERS,
    "memory": st.lists(DOCUMENTS, max_size=2),
    "verdicts": st.lists(st.builds(Verdict, WORDS, NUMBERS), max_size=2),
    "route": WORDS,
    "extra": st.dictionaries(WORDS, JSONS, max_size=3),
}


@how(max_examples=25)
@given(st.builds(RagState, **FIELDS))
def test_any_state_survives_a_checkpoint(state: RagState) -> None:
    assert set(FIELDS) == set(RagState.model_fields)
    values = {name: getattr(state, name) for name in RagState.model_fields}
    kept = serializer()
    again = kept.loads_typed(kept.dumps_typed(values))
    assert again == values
    assert RagState.model_construct(**again) == state


def test_a_run_keeps_values_of_every_type(file: Path) -> None:
    document = Document("Toad.", id="1", metadata={"page": 3, "tags": ["a"], "at": {"x": None}})
    citation = Citation("s", "s.md", "S", ("1", "1.1"), 0, 5, "Toad.", page=3)
    answer = Answer("Who?", (Statement("Toad.", (1,), 0.5),), (citation,), "grounded", 0.75, usage={"input_tokens": 9})
    evidence = gather("Who?", [document], HashingEmbedder())
    values: Update = {
        "query": "Toad",
        "vector": QueryVector("Toad", (0.6, 0.8), Fingerprint("tiny", 2, "abc"), ("A toad.",), ("a note",)),
        "subquestions": ["Who is Toad?"],
        "drafts": ["Toad."],
        "where": {"page": {"$gte": 3}},
        "evidence": evidence,
        "quotes": answer,
        "candidates": {"a": [Hit(document, 0.5, 1)]},
        "documents": [Hit(document, float("-inf"), 1)],
        "answer": answer,
        "memory": [document],
        "verdicts": [Verdict("1", -0.25)],
        "route": "x",
        "extra": {"x": {"deep": [1, 2.5, None, "é"]}},
    }
    assert set(values) == WRITABLE
    writes = [*sorted(WRITABLE - {"extra"}), "extra.x"]
    does = Moody()
    running = graph(
        "start -> a -> moody -> end",
        cat("a", lambda state, context: values, writes=writes),
        cat("moody", does),
        checkpoints=file,
    )
    with pytest.raises(NodeError):
        running.invoke({"question": "Who?", "history": [Turn("user", "Hi.")]}, thread="t")
    does.fails = False
    state = running.resume("t")
    assert {name: getattr(state, name) for name in values} == dict(values)
    assert state.history == [Turn("user", "Hi.")]
