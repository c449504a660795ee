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
from counted import Called, finder, one
from kittens import cat, details
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from ragloom import Corpus
from ragloom.rag.graph import Context, GraphError, NodeError, RagGraph, RagState, Turn, Update, check
from ragloom.rag.graph.rag_graph import NODE_CACHE
from ragloom.stores.types import Hit


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "new" / "nodes.sqlite"


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
from counted import Called, finder, one
from kittens import cat
from counted import Called, finder, one
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
