"""A node with `cache: true` is not called again for what it was given before, and for anything else it is."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import HashingEmbedder
from kittens import Does, cat, details, graph
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from ragloom import Corpus
from ragloom.rag.generate import gather
from ragloom.rag.generate.types import Answer
from ragloom.rag.graph import (
    Context,
    GraphError,
    NodeError,
    NodeType,
    RagGraph,
    RagState,
    Turn,
    Update,
    Verdict,
    check,
    node,
    predicate,
)
from ragloom.rag.graph.rag_graph import NODE_CACHE
from ragloom.rag.graph.state import GIVEN
from ragloom.rag.retrieve import QueryVector
from ragloom.stores.embedder import Fingerprint
from ragloom.stores.types import Hit


class Called:
    """How often a node was called, and a node type that counts."""

    def __init__(self) -> None:
        self.times = 0

    def find(self, state: RagState, context: Context) -> Update:
        self.times += 1
        context.note("looked")
        hit = Hit(Document(f"{state.query} {self.times}", metadata={"at": [1, {"deep": None}]}), 0.5, 1)
        return {"candidates": {context.node: [hit]}, "documents": [hit]}


@pytest.fixture
def called() -> Called:
    return Called()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "new" / "nodes.sqlite"


def one(kind: NodeType, cache: Path, *, name: str = "a", **rest: Any) -> RagGraph:
    """A graph of one node whose results are kept."""
    options = {key: rest.pop(key) for key in ("corpus", "llm") if key in rest}
    written = {"nodes": {name: {"use": kind.name, "cache": True, **rest}}, "flow": [f"start -> {name} -> end"]}
    return RagGraph(written, types=[kind], cache=cache, **options)


def finder(does: Does) -> NodeType:
    return cat("find", does, reads=["query"], writes=["candidates", "documents"])


def test_the_same_question_is_looked_up_once(called: Called, cache: Path) -> None:
    running = one(finder(called.find), cache)
    first, second = running.invoke("Who?"), running.invoke("Who?")
    third = asyncio.run(one(finder(called.find), cache).ainvoke("Who?"))
    assert called.times == 1
    assert first.documents == second.documents == third.documents
    assert first.candidates == second.candidates == third.candidates
    assert [details(state, "a") for state in (first, second, third)] == [
        ["looked"],
        ["from the cache"],
        ["from the cache"],
    ]


def test_another_question_is_another_input(called: Called, cache: Path) -> None:
    running = one(finder(called.find), cache)
    for question in ("Who?", "What?", "Who?", "who?"):
        assert running.invoke(question).documents[0].document.page_content.startswith(question)
    assert called.times == 3


def test_a_node_of_another_name_finds_candidates_of_its_own(called: Called, cache: Path) -> None:
    one(finder(called.find), cache).invoke("Who?")
    assert list(one(finder(called.find), cache, name="b").invoke("Who?").candidates) == ["b"]


def test_what_a_node_does_not_read_does_not_matter(called: Called, cache: Path) -> None:
    running = one(finder(called.find), cache)
    running.invoke("Who?")
    running.invoke({"question": "Who?", "history": [Turn("user", "Hi.")]})
    assert called.times == 1
    reading = one(cat("find", called.find, reads=["query", "history"], writes=["candidates", "documents"]), cache)
    reading.invoke("What?")
    reading.invoke({"question": "What?", "history": [Turn("user", "Hi.")]})
    assert called.times == 3


HITS = [Hit(Document(text), 0.5, 1) for text in ("Toad.", "Rat.")]
TWO_OF: dict[str, tuple[Any, Any]] = {
    "question": ("Who?", "What?"),
    "history": ([Turn("user", "Hi.")], []),
    "query": ("Toad", "Rat"),
    "vector": (QueryVector("Toad", (0.6, 0.8), Fingerprint("tiny", 2, "")), None),
    "subquestions": (["Who is Toad?"], []),
    "drafts": (["Toad."], []),
    "where": ({"year": 1908}, {}),
    "candidates": ({"give": HITS[:1]}, {"give": HITS[1:]}),
    "documents": (HITS[:1], HITS[1:]),
    "evidence": tuple(gather("Who?", [hit.document], HashingEmbedder()) for hit in HITS),
    "quotes": tuple(Answer(text, (), (), "unknown") for text in ("Who?", "What?")),
    "answer": tuple(Answer(text, (), (), "unknown") for text in ("Who?", "What?")),
    "memory": ([HITS[0].document], [HITS[1].document]),
    "verdicts": ([Verdict("1", 0.5)], [Verdict("1", -0.5)]),
    "route": ("north", "south"),
    "extra": ({"x": {"deep": [1]}}, {"x": {"deep": [2]}}),
}


@pytest.mark.parametrize("field", TWO_OF)
def test_every_field_that_a_node_reads_is_part_of_its_input(field: str, cache: Path) -> None:
    """The caller gives the fields that come before any node; the others a node gives that is not cached."""
    key = "extra.x" if field == "extra" else field
    given: list[Any] = []
    times: list[str] = []
    running = graph(
        "start -> give -> look -> end",
        cat("give", lambda state, context: {field: given[-1]}, writes=[key]) if field not in GIVEN else cat("give"),
        cat("look", lambda state, context: times.append(field), reads=[key]),
        settings={"look": {"cache": True}},
        cache=cache,
    )
    for value in (*TWO_OF[field], *TWO_OF[field]):
        given.append(value)
        running.invoke({"question": "Who?", **({field: value} if field in GIVEN else {})})
    assert len(times) == 2


def test_there_are_two_of_every_field() -> None:
    assert set(TWO_OF) == set(RagState.model_fields) - {"trace"}, "what nodes did is no input of the next one"


def test_parameters_are_part_of_the_input(cache: Path) -> None:
    times = []

    @node("count", writes=["extra.n"])
    def count(state: RagState, context: Context, *, n: int = 1, names: list[str] | None = None) -> Update:
        """Count."""
        times.append(n)
        return {"extra": {"n": n}}

    for params in ({}, {"n": 1}, {"n": 2}, {"n": 2, "names": ["a"]}, {"n": 2}):
        one(count, cache, **params).invoke("Who?")
    assert times == [1, 2, 2]


def test_the_corpus_is_part_of_the_input(corpus: Corpus, cache: Path, called: Called) -> None:
    @node("find", reads=["query"], writes=["candidates", "documents"], needs=["corpus"])
    def find(state: RagState, context: Context) -> Update:
        """Find."""
        return called.find(state, context)

    corpus.add(["Toad."])
    running = one(find, cache, corpus=corpus)
    running.invoke("Who?")
    running.invoke("Who?")
    assert called.times == 1
    corpus.add(["Rat."])
    running.invoke("Who?")
    assert called.times == 2


class Settled(FakeListChatModel):
    """A model with settings that it does not tell of, as users' models often do not."""

    temperature: float = 0.0

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {}


@node("speak", writes=["extra.said"], needs=["llm"])
def speak(state: RagState, context: Context) -> Update:
    """Speak."""
    return {"extra": {"said": context.llm.invoke(state.query).text}}


def test_the_llm_is_part_of_the_input(cache: Path) -> None:
    def said(llm: FakeListChatModel) -> Any:
        return one(speak, cache, llm=llm).invoke("Who?").extra["said"]

    assert said(FakeListChatModel(responses=["Toad."])) == "Toad."
    assert said(FakeListChatModel(responses=["Rat."])) == "Rat."
    model = FakeListChatModel(responses=["Toad.", "never said"])
    assert (said(model), said(model)) == ("Toad.", "Toad.")


def test_other_settings_of_an_llm_are_other_input_though_it_does_not_tell_of_them(cache: Path) -> None:
    for temperature, reply in ((0.0, "cold"), (0.7, "warm")):
        running = one(speak, cache, llm=Settled(responses=[reply], temperature=temperature))
        assert running.invoke("Who?").extra["said"] == reply


class Failing(FakeListChatModel):
    is_down: bool = True

    def _call(self, *args: Any, **kwargs: Any) -> str:
        if self.is_down:
            raise ConnectionError("the cable is cut")
        return super()._call(*args, **kwargs)


def test_what_an_llm_s_failure_leaves_is_not_kept(cache: Path) -> None:
    llm = Failing(responses=["Who steals the car?"])
    written = {"nodes": {"a": {"use": "rewrite", "cache": True}}, "flow": ["start -> a -> end"]}
    running = RagGraph(written, cache=cache, llm=llm)
    asked = {"question": "Who steals it?", "history": [Turn("user", "Is there a car?"), Turn("assistant", "Yes.")]}
    assert running.invoke(asked).query == "Who steals it?"
    llm.is_down = False
    for _ in range(2):
        assert running.invoke(asked).query == "Who steals the car?"
    llm.is_down = True
    assert running.invoke(asked).query == "Who steals the car?"


def test_a_result_that_cannot_be_written_down_is_not_kept_and_the_run_goes_on(cache: Path) -> None:
    class Odd:
        pass

    hit = Hit(Document("Toad.", metadata={"odd": Odd()}), 1.0, 1)
    odd = cat("odd", lambda _state, _context: {"documents": [hit]}, writes=["documents"])
    state = one(odd, cache).invoke("Who?")
    assert "the result was not cached" in details(state, "a")[0]


def test_a_memory_is_not_cached() -> None:
    written = {"nodes": {"a": {"use": "recall", "cache": True}}, "flow": ["start -> a -> end"]}
    (problem,) = check(written)
    assert str(problem).startswith("nodes.a.cache: cannot be true: 'recall' reads or changes more than its input")


def test_errors_are_not_kept(called: Called, cache: Path) -> None:
    def fail(state: RagState, context: Context) -> Update:
        if not called.times:
            called.times = 1
            raise ValueError("once")
        return called.find(state, context)

    running = one(finder(fail), cache)
    with pytest.raises(NodeError):
        running.invoke("Who?")
    assert details(running.invoke("Who?"), "a") == ["looked"]
    assert called.times == 2


def test_what_another_node_gave_in_its_place_is_not_kept(called: Called, cache: Path) -> None:
    broken = [True]

    def fail(state: RagState, context: Context) -> Update:
        if broken:
            raise ValueError("no mice")
        return called.find(state, context)

    nodes: dict[str, Any] = {"a": {"use": "find", "cache": True, "on_error": "fallback b"}, "b": "spare"}
    spare = cat(
        "spare",
        lambda state, context: {"candidates": {context.node: []}, "documents": []},
        writes=["candidates", "documents"],
    )
    running = RagGraph({"nodes": nodes, "flow": ["start -> a -> end"]}, types=[finder(fail), spare], cache=cache)
    assert running.invoke("Who?").documents == []
    broken.clear()
    assert len(running.invoke("Who?").documents) == 1


def test_events_tell_of_a_cached_node_too(called: Called, cache: Path) -> None:
    running = one(finder(called.find), cache)
    running.invoke("Who?")
    assert [type(event).__name__ for event in running.stream("Who?")] == ["NodeStarted", "NodeEnded", "RagState"]


CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from kittens import cat
from test_graph_caching import Called, finder, one
called = Called()
from pathlib import Path
state = one(finder(called.find), Path(sys.argv[2])).invoke("Who?")
print(called.times, state.documents[0].document.page_content)
"""


def test_processes_share_a_cache(called: Called, cache: Path) -> None:
    assert one(finder(called.find), cache).invoke("Who?").documents[0].document.page_content == "Who? 1"
    called.times = 7
    command = [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(cache)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "0 Who? 1\n", done.stderr


def test_a_node_type_that_a_function_makes_is_another_with_other_values(cache: Path) -> None:
    def shout(mark: str) -> Any:
        @node("shout", writes={"query"})
        def shouting(state: RagState, context: Context) -> Update:
            """Shout."""
            return {"query": state.question + mark}

        return shouting

    assert [one(shout(mark), cache).invoke("Who").query for mark in "!?!"] == ["Who!", "Who?", "Who!"]


def test_a_node_type_of_a_notebook_is_another_once_it_was_changed(cache: Path) -> None:
    cell = (
        "@node('shout', writes={'query'})\n"
        "def shouting(state: RagState, context: Context) -> Update:\n"
        "    'Shout.'\n"
        "    return {'query': state.question + %r}\n"
    )
    said = []
    for mark in "!?":
        names: dict[str, Any] = {"node": node, "RagState": RagState, "Context": Context, "Update": Update}
        exec(compile(cell % mark, "<cell>", "exec"), names)
        said.append(one(names["shouting"], cache).invoke("Who").query)
    assert said == ["Who!", "Who?"]


def test_models_under_one_relative_path_are_told_apart(tmp_path: Path, corpus: Corpus) -> None:
    made = []
    for name in ("old", "new"):
        folder = tmp_path / name / "judge"
        folder.mkdir(parents=True)
        (folder / "weights").write_text(name)
        written = tmp_path / name / "words.yaml"
        written.write_text(
            "nodes: {find: lexical, rank: {use: cross-encoder, model: ./judge}}\nflow: [start -> find -> rank -> end]\n"
        )
        made.append(RagGraph(written, corpus=corpus).fingerprint())
    assert made[0] != made[1]
    (folder / "weights").write_text("newer")
    assert RagGraph(written, corpus=corpus).fingerprint() != made[1]


def test_a_predicate_that_was_changed_makes_another_graph(corpus: Corpus) -> None:
    made = []
    for least in (3, 4):

        @predicate("long")
        def long(state: RagState) -> bool:
            """Whether it is long."""
            return len(state.question) > least  # noqa: B023

        spec = {
            "nodes": {"find": "hybrid"},
            "flow": ["start -> find", {"from": "find", "when": "long", "then": "end", "else": "end"}],
        }
        made.append(RagGraph(spec, types=[long], corpus=corpus).fingerprint())
    assert made[0] != made[1]


@pytest.mark.parametrize("make", [lambda file: file.mkdir(), lambda file: file.write_text("Toad was here. " * 99)])
def test_a_file_that_cannot_be_a_cache_is_named(make: Callable[[Path], Any], called: Called, tmp_path: Path) -> None:
    make(tmp_path / "cache")
    with pytest.raises(GraphError, match=r"cannot keep results of nodes in .*cache: "):
        one(finder(called.find), tmp_path / "cache").invoke("Who?")


@pytest.mark.parametrize("is_async", [False, True])
def test_a_cache_that_breaks_later_is_done_without_and_the_trace_says_so(
    called: Called, cache: Path, is_async: bool
) -> None:
    running = one(finder(called.find), cache)
    with sqlite3.connect(cache) as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            connection.execute(f"DROP TABLE {table}")
    state = asyncio.run(running.ainvoke("Who?")) if is_async else running.invoke("Who?")
    assert called.times == 1
    assert "the cache was not used (OperationalError: no such table: cache)" in details(state, "a")[0]


def test_a_corpus_that_is_no_longer_there_is_told_with_the_nodes_name(cache: Path, tmp_path: Path) -> None:
    written = {"nodes": {"a": {"use": "dense", "cache": True}}, "flow": ["start -> a -> end"]}
    Corpus(tmp_path / "index").close()
    running = RagGraph(written, corpus=tmp_path / "index", cache=cache)
    shutil.rmtree(tmp_path / "index")
    with pytest.raises(NodeError, match="the node 'a' failed: "):
        running.invoke("Who?")


def test_a_graph_that_keeps_no_results_makes_no_cache(called: Called, cache: Path) -> None:
    written = {"nodes": {"a": "find"}, "flow": ["start -> a -> end"]}
    RagGraph(written, types=[finder(called.find)], cache=cache).invoke("Who?")
    assert not cache.exists()


def test_the_cache_is_in_the_programs_own_folder_by_default(
    called: Called, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAGLOOM_CACHE", str(tmp_path / "mine"))
    written = {"nodes": {"a": {"use": "find", "cache": True}}, "flow": ["start -> a -> end"]}
    for _ in range(2):
        RagGraph(written, types=[finder(called.find)]).invoke("Who?")
    assert called.times == 1
    assert (tmp_path / "mine" / NODE_CACHE).is_file()


def test_an_empty_cache_that_was_given_is_asked_and_stays_open(called: Called) -> None:
    class Kept(dict[Any, Any]):
        is_open = True

        def keeps(self, _node: Any) -> bool:
            return True

        def key(self, _node: Any, state: RagState, _context: Context) -> str:
            return state.question

        def put(self, key: str, update: dict[str, Any]) -> None:
            self[key] = update

        def close(self) -> None:
            self.is_open = False

    kept, kind = Kept(), cat("find", called.find, writes=["candidates", "documents"])
    for _ in range(2):
        with RagGraph({"nodes": {"a": "find"}, "flow": ["start -> a -> end"]}, types=[kind], cache=kept) as asked:
            asked.invoke("Who?")
    assert (called.times, list(kept), kept.is_open) == (1, ["Who?"], True)


OWN = """
from ragloom.rag.graph import node

@node("own", writes={"extra.own"})
def own(state, context):
    "Say it."
    return {"extra": {"own": LIMIT}}

LIMIT = 1
"""

ASKING = """
import sys
from ragloom.rag.graph import RagGraph
from mine import own
graph = {"nodes": {"own": {"use": "own", "cache": True}}, "flow": ["start -> own -> end"]}
print(RagGraph(graph, types=[own], cache="kept.sqlite").invoke("Who?").extra)
"""


def test_a_type_whose_code_has_changed_is_run_again(tmp_path: Path) -> None:
    def said(code: str) -> str:
        (tmp_path / "mine.py").write_text(code)
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
        command = [sys.executable, "-c", ASKING]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.strip()

    assert [said(OWN), said(OWN.replace("LIMIT = 1", "LIMIT = 2"))] == ["{'own': 1}", "{'own': 2}"]
